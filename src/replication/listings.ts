/** Lists of sources' repositories that are read by one task after another, so that no list is ever held as a whole. */
import { addAbortListener } from 'node:events';
import { LRUCache } from 'lru-cache';
import type { Waiting } from './sides.ts';

/** Names that are read of a list before others are asked for: what is known of a source at one time. */
const PAGE = 500;
/** Names that tell where a list goes on: some of them may be gone by then. */
const LAST = 20;
/** Lists that are open at one time: each holds an answer or two of its source. */
const MOST_OPEN = 100;
/** What was looked at meanwhile may take long; afterwards the list is asked for anew. */
const OPEN_MS = 60 * 60 * 1000;

/** All of it, from its start, in the source's order. */
export type List = (options: Waiting) => AsyncIterable<string>;

export interface ListPage {
  readonly names: readonly string[];
  /** Behind which the list goes on; undefined where it has come to its end. */
  readonly last: readonly string[] | undefined;
}

/** One list for each execution, kept open between its pages in this process. */
export class Listings {
  readonly #open = new LRUCache<number, Listing>({
    max: MOST_OPEN,
    ttl: OPEN_MS,
    ttlAutopurge: true,
    dispose(listing, _, reason) {
      if (reason !== 'delete') listing.close();
    },
  });

  /**
   * The names behind those, of which none stands for the start of the list. A list that another process had, or that broke, is
   * asked for anew and read as far as to the names that are still there of `last`. Where all of them are gone, all of it
   * comes again: rather that than to leave something out.
   *
   * @param last of the page before, as it was written: a page that never was is read again
   * @throws what the list does, and the signal's reason
   */
  async page(
    execution: number,
    { list, last }: { readonly list: List; readonly last: readonly string[] },
    { signal }: Waiting,
  ): Promise<ListPage> {
    const listing = this.#taken(execution, last) ?? new Listing(list, last);
    const names = await listing.read({ signal });
    if (names.length < PAGE) return { names, last: undefined };
    this.#open.set(execution, listing);
    return { names, last: listing.last };
  }

  /** Nobody else reads it then. */
  #taken(execution: number, last: readonly string[]): Listing | undefined {
    const listing = this.#open.get(execution);
    if (listing === undefined) return undefined;
    this.#open.delete(execution);
    if (listing.last.join() === last.join()) return listing;
    listing.close();
    return undefined;
  }
}

class Listing {
  readonly #ending = new AbortController();
  readonly #names: AsyncGenerator<string>;
  /** Of those that were read. */
  last: readonly string[];

  constructor(list: List, last: readonly string[]) {
    const { signal } = this.#ending;
    this.#names = behind(() => list({ signal }), last);
    this.last = last;
  }

  /** The next page. Aborting, as any error, ends the list. */
  async read({ signal }: Waiting): Promise<readonly string[]> {
    signal.throwIfAborted();
    using _ = addAbortListener(signal, () => this.#ending.abort(signal.reason));
    const names: string[] = [];
    while (names.length < PAGE) {
      const { done, value } = await this.#names.next();
      if (done === true) break;
      names.push(value);
    }
    this.last = names.slice(-LAST);
    return names;
  }

  close(): void {
    this.#ending.abort();
    // What it throws at its end is about nothing that anybody waits for.
    this.#names.return(undefined).catch(() => {});
  }
}

/** What comes after those; all of it where none of them is there. */
async function* behind(
  list: () => AsyncIterable<string>,
  last: readonly string[],
): AsyncGenerator<string> {
  const passed = new Set(last);
  let isFound = passed.size === 0;
  for await (const name of list()) {
    if (passed.has(name)) isFound = true;
    else if (isFound) yield name;
  }
  if (!isFound) yield* list();
}
