import { UpstreamDenied } from '../../../src/registry/errors.ts';
import type { List, Listings, ListPage } from '../../../src/replication/listings.ts';

/** Names that are given at one time. */
export const PAGE = 500;
/** Names that are read at one time. */
export const AHEAD = 10_000;
const EXECUTION = 1;
const { signal } = new AbortController();

/** Lists names one by one, by their places, as pages that are numbered. */
export class Source {
  names: readonly string[];
  /** What lists that begin from now on have instead. */
  namesOfNext: readonly string[] | undefined;
  isSilent = false;
  /** Called before each is given. */
  atName: (name: string) => void = () => {};
  asked = 0;
  /** Names that somebody took. */
  read = 0;
  closed = 0;
  #broken = { at: Number.POSITIVE_INFINITY, times: 0 };

  constructor(names: readonly string[]) {
    this.names = names;
  }

  readonly list: List = ({ signal: aborted }) => this.#all(aborted);

  /** Lists fail there. */
  breakAt(
    at: number,
    { times = Number.POSITIVE_INFINITY }: { readonly times?: number } = {},
  ): void {
    this.#broken = { at, times };
  }

  async *#all(aborted: AbortSignal): AsyncGenerator<string> {
    this.asked += 1;
    const own = this.namesOfNext;
    try {
      for (let index = 0; ; index++) {
        const name = (own ?? this.names)[index];
        if (name === undefined) return;
        if (this.isSilent) await silence(aborted);
        if (index === this.#broken.at && this.#broken.times-- > 0) {
          throw new UpstreamDenied('source.example', 401);
        }
        this.read += 1;
        this.atName(name);
        yield name;
      }
    } finally {
      this.closed += 1;
    }
  }
}

/** Until it is aborted. */
async function silence(aborted: AbortSignal): Promise<never> {
  aborted.throwIfAborted();
  const { promise, reject } = Promise.withResolvers<never>();
  aborted.addEventListener('abort', () => reject(aborted.reason), { once: true });
  return promise;
}

interface PageOptions {
  readonly execution?: number;
  readonly isSelected?: (name: string) => boolean;
  readonly signal?: AbortSignal;
}

export async function pageOf(
  listings: Listings,
  { list }: Source,
  last: readonly string[] = [],
  { execution = EXECUTION, isSelected = () => true, signal: stopping = signal }: PageOptions = {},
): Promise<ListPage> {
  return listings.page(execution, { list, last, isSelected }, { signal: stopping });
}

/** All that are left. */
export async function pagesOf(
  source: Source,
  listings: Listings,
  { last: from = [], ...options }: PageOptions & { readonly last?: ListPage['last'] } = {},
): Promise<readonly ListPage[]> {
  const pages: ListPage[] = [];
  for (let last: ListPage['last'] = from; last !== undefined; ) {
    const page: ListPage = await pageOf(listings, source, last, options);
    pages.push(page);
    ({ last } = page);
  }
  return pages;
}

export const namesOf = (pages: readonly ListPage[]): readonly string[] =>
  pages.flatMap(({ names }) => names);

export function namesUpTo(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `team/${String(index).padStart(5, '0')}`);
}

/** The last name of those that are read at one time, so that one page gives all of them. */
export const isLast = (name: string): boolean => name === `team/0${AHEAD - 1}`;
