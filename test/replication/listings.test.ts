import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { type List, Listings, type ListPage } from '../../src/replication/listings.ts';

const PAGE = 500;
const EXECUTION = 1;
const { signal } = new AbortController();

describe('a list that is read a page at a time', () => {
  it('is asked for once, and gives each name once', async () => {
    const source = new Source(namesUpTo(3 * PAGE + 7));

    const pages = await pagesOf(source, new Listings());

    assert.deepEqual(
      pages.map(({ names }) => names.length),
      [PAGE, PAGE, PAGE, 7],
    );
    assert.deepEqual(
      pages.flatMap(({ names }) => names),
      source.names,
    );
    assert.equal(source.asked, 1);
  });

  it('is read no further than a page', async () => {
    const source = new Source(namesUpTo(2 * PAGE));

    await new Listings().page(EXECUTION, { list: source.list, last: [] }, { signal });

    assert.equal(source.read, PAGE);
  });

  it('ends with an empty page where the last one was full', async () => {
    const pages = await pagesOf(new Source(namesUpTo(PAGE)), new Listings());

    assert.deepEqual(
      pages.map(({ names }) => names.length),
      [PAGE, 0],
    );
  });

  it('gives a page again that came to nothing, and closes what is further on', async () => {
    const source = new Source(namesUpTo(3 * PAGE));
    const listings = new Listings();
    const { list } = source;
    const { last = [] } = await listings.page(EXECUTION, { list, last: [] }, { signal });
    const lost = await listings.page(EXECUTION, { list, last }, { signal });

    const again = await listings.page(EXECUTION, { list, last }, { signal });

    assert.deepEqual(again.names, lost.names);
    assert.equal(source.asked, 2);
    await turn();
    assert.equal(source.closed, 1);
  });

  it('is another one for each execution', async () => {
    const [one, other] = [new Source(namesUpTo(2 * PAGE)), new Source(namesUpTo(2 * PAGE))];
    const listings = new Listings();
    const { last = [] } = await listings.page(1, { list: one.list, last: [] }, { signal });

    const { names } = await listings.page(2, { list: other.list, last: [] }, { signal });
    await listings.page(1, { list: one.list, last }, { signal });

    assert.deepEqual(names, other.names.slice(0, PAGE));
    assert.deepEqual([one.asked, other.asked], [1, 1]);
  });
});

describe('a list that another process has read a page of', () => {
  it('goes on behind it', async () => {
    const source = new Source(namesUpTo(2 * PAGE + 1));
    const first = await new Listings().page(EXECUTION, { list: source.list, last: [] }, { signal });

    const pages = await pagesOf(source, new Listings(), first.last);

    assert.deepEqual(
      pages.flatMap(({ names }) => names),
      source.names.slice(PAGE),
    );
  });

  it('goes on behind those of its last names that are still there, in whatever order it is', async () => {
    const names = namesUpTo(PAGE + 1).toReversed();
    const source = new Source(names);
    const first = await new Listings().page(EXECUTION, { list: source.list, last: [] }, { signal });
    source.names = [...names.slice(0, PAGE - 1), 'new', ...names.slice(PAGE)];

    const { names: rest } = await new Listings().page(
      EXECUTION,
      { list: source.list, last: first.last ?? [] },
      { signal },
    );

    assert.deepEqual(rest, ['new', ...names.slice(PAGE)]);
  });

  it('comes from its start where all of them are gone', async () => {
    const source = new Source(namesUpTo(3));
    const last = ['gone', 'gone-too'];

    const { names } = await new Listings().page(EXECUTION, { list: source.list, last }, { signal });

    assert.deepEqual(names, source.names);
  });
});

describe('a list whose source does not answer', () => {
  it('ends with the task that reads it, and is asked for anew by the next', async () => {
    const source = new Source(namesUpTo(PAGE + 1));
    const listings = new Listings();
    const { last = [] } = await listings.page(
      EXECUTION,
      { list: source.list, last: [] },
      { signal },
    );
    source.isSilent = true;
    const stopping = new AbortController();
    const reading = listings.page(EXECUTION, { list: source.list, last }, stopping);
    stopping.abort(new Error('stopped'));
    await assert.rejects(reading, /stopped/);
    source.isSilent = false;

    const { names } = await listings.page(EXECUTION, { list: source.list, last }, { signal });

    assert.deepEqual(names, source.names.slice(PAGE));
  });
});

/** Lists names one by one. */
class Source {
  names: readonly string[];
  isSilent = false;
  asked = 0;
  /** Names that somebody took. */
  read = 0;
  closed = 0;

  constructor(names: readonly string[]) {
    this.names = names;
  }

  readonly list: List = ({ signal: aborted }) => this.#all(aborted);

  async *#all(aborted: AbortSignal): AsyncGenerator<string> {
    this.asked += 1;
    try {
      for (const name of this.names) {
        if (this.isSilent) await silence(aborted);
        this.read += 1;
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

/** All that are left. */
async function pagesOf(
  source: Source,
  listings: Listings,
  from: readonly string[] = [],
): Promise<readonly ListPage[]> {
  const pages: ListPage[] = [];
  for (let last: readonly string[] | undefined = from; last !== undefined; ) {
    const page: ListPage = await listings.page(EXECUTION, { list: source.list, last }, { signal });
    pages.push(page);
    ({ last } = page);
  }
  return pages;
}

function namesUpTo(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `team/${String(index).padStart(5, '0')}`);
}
