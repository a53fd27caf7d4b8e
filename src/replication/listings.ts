/** Lists of sources' repositories that are read by one task after another, so that no list is ever held as a whole. */
import { addAbortListener } from 'node:events';
import { LRUCache } from 'lru-cache';
import type { Waiting } from './sides.ts';

/** Names that are given at one time. */
const PAGE = 500;
/** Names that are read at one time, and kept until they are given: while a list rests, its place may shift at the source. */
const AHEAD = 10_000;
/** Names that tell where a list goes on: some of them may be gone by then. */
const LAST = 20;
/** Lists that are open at one time: each holds an answer or two of its source. */
const MOST_OPEN = 100;
/** Names that are kept of all of them: 6 MB where they have 40 letters, and 28 MB where they have 255. */
const MOST_KEPT = 100_000;
/** What was looked at meanwhile may take long; afterwards the list is asked for anew. */
const OPEN_MS = 60 * 60 * 1000;

/** All of it, from its start, in the source's order. */
export type List = (options: Waiting) => AsyncIterable<string>;

/** What is asked for of a list. */
export interface ListPlace {
  readonly list: List;
  /** Of the page before, as it was written: a page that never was is read again. None stands for the start of the list. */
  readonly last: readonly string[];
  readonly isSelected: (name: string) => boolean;
}

export interface ListPage {
  /** Those that are selected: at most 500, of at most 10,000 that are listed. */
  readonly names: readonly string[];
  /** Behind which the list goes on, selected or not; undefined where it has come to its end. */
  readonly last: readonly string[] | undefined;
}

/** One list for each execution, kept open between its pages in this process. */
export class Listings {
  readonly #open = new LRUCache<number, Listing>({
    max: MOST_OPEN,
    maxSize: MOST_KEPT,
    // One that has given all that it kept counts, too.
    sizeCalculation: ({ kept }) => kept + 1,
    ttl: OPEN_MS,
    ttlAutopurge: true,
    dispose(listing, _, reason) {
      if (reason !== 'delete') listing.close();
    },
  });

  /**
   * What comes behind `last`. The list is read 10,000 names at a time, without a rest between the source's own pages, which may
   * shift meanwhile. Where it rested before it is asked further, the place may be gone: neither its end nor its failure is
   * believed before another list says so. That one, as one for a list that another process had, or that broke, is asked for
   * from its start and read as far as to the names that are still there of `last`. Where all of them are gone, all of it comes
   * again: rather that than to leave something out. One thing may be: where pages are numbers, and one of the names before is
   * deleted while the list rests, the first of the next 10,000, unless the list ends with those.
   *
   * @throws what the list does before it gives a name, and the signal's reason
   */
  async page(execution: number, place: ListPlace, options: Waiting): Promise<ListPage> {
    const open = this.#taken(execution, place.last);
    const goesOn = open !== undefined && (await open.goesOn(options));
    const listing = goesOn ? open : new Listing(place);
    if (!goesOn) await listing.begin(options);
    const names = listing.take(place);
    if (listing.isOver) return { names, last: undefined };
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
  #kept: readonly string[] = [];
  #isAtEnd = false;
  /** Of those that were given. */
  last: readonly string[];

  constructor({ list, last }: Pick<ListPlace, 'list' | 'last'>) {
    const { signal } = this.#ending;
    this.#names = behind(() => list({ signal }), last);
    this.last = last;
  }

  /** Names that were read and not given. */
  get kept(): number {
    return this.#kept.length;
  }

  get isOver(): boolean {
    return this.#isAtEnd && this.kept === 0;
  }

  /** Reads the first names. Where it breaks behind some, those are kept: who asks for more has it asked for anew. */
  async begin(options: Waiting): Promise<void> {
    const stop = await this.#read(options);
    if (stop.why === 'broken' && this.kept === 0) throw stop.error;
    this.#isAtEnd = stop.why === 'end';
  }

  /** Reads others where none is kept. False where it ended or broke meanwhile, which says nothing of a list that rested. */
  async goesOn(options: Waiting): Promise<boolean> {
    return this.kept > 0 || (await this.#read(options)).why === 'enough';
  }

  /** Of those that are kept. */
  take({ isSelected }: Pick<ListPlace, 'isSelected'>): readonly string[] {
    const names: string[] = [];
    let taken = 0;
    for (const name of this.#kept) {
      if (isSelected(name)) {
        if (names.length === PAGE) break;
        names.push(name);
      }
      taken += 1;
    }
    this.last = [...this.last, ...this.#kept.slice(0, taken)].slice(-LAST);
    this.#kept = this.#kept.slice(taken);
    return names;
  }

  close(reason?: unknown): void {
    this.#ending.abort(reason);
    // What it throws at its end is about nothing that anybody waits for.
    this.#names.return(undefined).catch(() => {});
  }

  /** Aborting ends the list. */
  async #read({ signal }: Waiting): Promise<Stop> {
    signal.throwIfAborted();
    using _ = addAbortListener(signal, () => this.close(signal.reason));
    const stop = await this.#fill();
    // A source that had the rest of its answer already heard of nothing.
    signal.throwIfAborted();
    return stop;
  }

  async #fill(): Promise<Stop> {
    const names: string[] = [];
    this.#kept = names;
    try {
      while (names.length < AHEAD) {
        const { done, value } = await this.#names.next();
        if (done === true) return { why: 'end' };
        names.push(value);
      }
      return { why: 'enough' };
    } catch (error) {
      return { why: 'broken', error };
    }
  }
}

/** Why no more was read. */
type Stop =
  | { readonly why: 'enough' | 'end' }
  | { readonly why: 'broken'; readonly error: unknown };

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
