import assert from 'node:assert/strict';
import { describe, it, mock } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { UpstreamDenied } from '../../src/registry/errors.ts';
import { type List, Listings, type ListPage } from '../../src/replication/listings.ts';

/** Names that are given at one time. */
const PAGE = 500;
/** Names that are read at one time. */
const AHEAD = 10_000;
const HOUR_MS = 60 * 60 * 1000;
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
    assert.deepEqual(namesOf(pages), source.names);
    assert.equal(source.asked, 1);
  });

  it('is read 10,000 names at a time, and no further before those are given', async () => {
    const source = new Source(namesUpTo(3 * AHEAD));
    const listings = new Listings();

    const read: number[] = [];
    let last: readonly string[] = [];
    for (let given = 0; given <= AHEAD; given += PAGE) {
      ({ last = [] } = await pageOf(listings, source, last));
      read.push(source.read);
    }

    assert.deepEqual(read, [...Array.from({ length: AHEAD / PAGE }, () => AHEAD), 2 * AHEAD]);
  });

  it('ends with its last name, where that fills a page, too', async () => {
    const pages = await pagesOf(new Source(namesUpTo(PAGE)), new Listings());

    assert.deepEqual(
      pages.map(({ names }) => names.length),
      [PAGE],
    );
  });

  it('gives those alone that are selected, whatever is listed between them', async () => {
    const source = new Source(namesUpTo(AHEAD + PAGE));

    const pages = await pagesOf(source, new Listings(), { isSelected: isTenth });
    const rare = await pageOf(new Listings(), source, [], { isSelected: isThousandth });

    assert.deepEqual(
      pages.map(({ names }) => names.length),
      [PAGE, PAGE, PAGE / 10],
    );
    assert.deepEqual(namesOf(pages), source.names.filter(isTenth));
    assert.deepEqual(rare.names, source.names.slice(0, AHEAD).filter(isThousandth));
    assert.equal(rare.last?.at(-1), source.names[AHEAD - 1]);
  });

  it('gives a page again that came to nothing, and closes what is further on', async () => {
    const source = new Source(namesUpTo(2 * AHEAD));
    const listings = new Listings();
    const { last = [] } = await pageOf(listings, source);
    const lost = await pageOf(listings, source, last);

    const again = await pageOf(listings, source, last);

    assert.deepEqual(again.names, lost.names);
    assert.equal(source.asked, 2);
    await turn();
    assert.equal(source.closed, 1);
  });

  it('is another one for each execution', async () => {
    const [one, other] = [new Source(namesUpTo(2 * PAGE)), new Source(namesUpTo(2 * PAGE))];
    const listings = new Listings();
    const { last = [] } = await pageOf(listings, one);

    const { names } = await pageOf(listings, other, [], { execution: 2 });
    await pageOf(listings, one, last);

    assert.deepEqual(names, other.names.slice(0, PAGE));
    assert.deepEqual([one.asked, other.asked], [1, 1]);
  });

  it('is closed after an hour, and asked for anew', async () => {
    using clock = mockedClock();
    const source = new Source(namesUpTo(2 * AHEAD));
    const listings = new Listings();
    const { last = [] } = await pageOf(listings, source);

    clock.pass(HOUR_MS + 2);

    await turn();
    assert.equal(source.closed, 1);
    const { names } = await pageOf(listings, source, last);
    assert.deepEqual(names, source.names.slice(PAGE, 2 * PAGE));
  });

  it('is closed where others have more names than are kept of all', async () => {
    const sources = Array.from({ length: 11 }, () => new Source(namesUpTo(AHEAD + 1)));
    const listings = new Listings();

    for (const [execution, source] of sources.entries()) {
      await pageOf(listings, source, [], { execution });
    }

    await turn();
    assert.deepEqual(
      sources.map(({ closed }) => closed),
      [1, ...sources.slice(1).map(() => 0)],
    );
  });
});

describe('a list that has rested', () => {
  it('is asked for anew where it says that it has come to its end, which may be its place that is gone', async () => {
    const source = new Source(namesUpTo(AHEAD + PAGE));
    const listings = new Listings();
    const first = await pageOf(listings, source, [], { isSelected: isLast });
    source.names = source.names.slice(0, AHEAD);
    source.namesOfNext = namesUpTo(AHEAD + PAGE);

    const pages = await pagesOf(source, listings, { last: first.last });

    assert.deepEqual(namesOf(pages), namesUpTo(AHEAD + PAGE).slice(AHEAD));
    assert.equal(source.asked, 2);
  });

  it('leaves out nothing that moved up meanwhile, where its pages are numbers', async () => {
    const source = new Source(namesUpTo(AHEAD + PAGE));
    const listings = new Listings();
    const first = await pageOf(listings, source, [], { isSelected: isLast });
    source.names = source.names.toSpliced(7, 1);

    const pages = await pagesOf(source, listings, { last: first.last });

    assert.deepEqual(namesOf(pages), namesUpTo(AHEAD + PAGE).slice(AHEAD));
  });

  it('is asked for anew where its credential, or its place, is worth nothing any more', async () => {
    const source = new Source(namesUpTo(AHEAD + PAGE));
    const listings = new Listings();
    const first = await pageOf(listings, source, [], { isSelected: isLast });
    source.breakAt(AHEAD, { times: 1 });

    const pages = await pagesOf(source, listings, { last: first.last });

    assert.deepEqual(namesOf(pages), source.names.slice(AHEAD));
    assert.equal(source.asked, 2);
  });

  it('fails where another list does so, too', async () => {
    const source = new Source(namesUpTo(AHEAD + PAGE));
    const listings = new Listings();
    const { last } = await pageOf(listings, source, [], { isSelected: isLast });
    source.breakAt(AHEAD);

    await assert.rejects(pageOf(listings, source, last), { name: 'UpstreamDenied' });

    assert.equal(source.asked, 2);
  });
});

describe('a list that breaks', () => {
  it('gives what came before, and is asked for anew behind that', async () => {
    const source = new Source(namesUpTo(3 * PAGE));
    source.breakAt(PAGE + 7, { times: 1 });

    const pages = await pagesOf(source, new Listings());

    assert.deepEqual(
      pages.map(({ names }) => names.length),
      [PAGE, 7, PAGE, PAGE - 7],
    );
    assert.deepEqual(namesOf(pages), source.names);
  });

  it('fails once nothing more comes of it', async () => {
    const source = new Source(namesUpTo(PAGE));
    source.breakAt(7);
    const listings = new Listings();
    const { names, last } = await pageOf(listings, source);

    await assert.rejects(pageOf(listings, source, last), { name: 'UpstreamDenied' });

    assert.deepEqual(names, source.names.slice(0, 7));
  });
});

describe('a list that another process has read a page of', () => {
  it('goes on behind it', async () => {
    const source = new Source(namesUpTo(2 * PAGE + 1));
    const { last } = await pageOf(new Listings(), source);

    const pages = await pagesOf(source, new Listings(), { last });

    assert.deepEqual(namesOf(pages), source.names.slice(PAGE));
  });

  it('goes on behind those of its last names that are still there, in whatever order it is', async () => {
    const names = namesUpTo(PAGE + 1).toReversed();
    const source = new Source(names);
    const { last } = await pageOf(new Listings(), source);
    source.names = [...names.slice(0, PAGE - 1), 'new', ...names.slice(PAGE)];

    const { names: rest } = await pageOf(new Listings(), source, last);

    assert.deepEqual(rest, ['new', ...names.slice(PAGE)]);
  });

  it('comes from its start where all of them are gone', async () => {
    const source = new Source(namesUpTo(3));

    const { names } = await pageOf(new Listings(), source, ['gone', 'gone-too']);

    assert.deepEqual(names, source.names);
  });
});

describe('a list whose task is stopped', () => {
  it('ends with that where its source does not answer, and is asked for anew by the next', async () => {
    const source = new Source(namesUpTo(AHEAD + 1));
    const listings = new Listings();
    const { last } = await pageOf(listings, source, [], { isSelected: isLast });
    source.isSilent = true;
    const stopping = new AbortController();
    const reading = pageOf(listings, source, last, stopping);
    stopping.abort(new Error('stopped'));
    await assert.rejects(reading, /stopped/);
    source.isSilent = false;

    const { names } = await pageOf(listings, source, last);

    assert.deepEqual(names, source.names.slice(AHEAD));
  });

  it('is nobody’s afterwards, where all that was asked for had come already', async () => {
    const source = new Source(namesUpTo(AHEAD + 1));
    const listings = new Listings();
    const stopping = new AbortController();
    source.atName = (name) => {
      if (name === source.names[AHEAD - 1]) stopping.abort(new Error('stopped'));
    };

    await assert.rejects(pageOf(listings, source, [], stopping), /stopped/);

    await turn();
    assert.equal(source.closed, 1);
  });
});

/** Lists names one by one, by their places, as pages that are numbered. */
class Source {
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

async function pageOf(
  listings: Listings,
  { list }: Source,
  last: readonly string[] = [],
  { execution = EXECUTION, isSelected = () => true, signal: stopping = signal }: PageOptions = {},
): Promise<ListPage> {
  return listings.page(execution, { list, last, isSelected }, { signal: stopping });
}

/** All that are left. */
async function pagesOf(
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

const namesOf = (pages: readonly ListPage[]): readonly string[] =>
  pages.flatMap(({ names }) => names);

function namesUpTo(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `team/${String(index).padStart(5, '0')}`);
}

const isTenth = (name: string): boolean => name.endsWith('0');

const isThousandth = (name: string): boolean => name.endsWith('000');

/** The last name of those that are read at one time, so that one page gives all of them. */
const isLast = (name: string): boolean => name === `team/0${AHEAD - 1}`;

/** Of what expires. */
function mockedClock(): Disposable & { pass(milliseconds: number): void } {
  let passed = 0;
  const now = performance.now.bind(performance);
  const clock = mock.method(performance, 'now', () => now() + passed);
  mock.timers.enable({ apis: ['setTimeout'] });
  return {
    pass(milliseconds) {
      passed += milliseconds;
      mock.timers.tick(milliseconds);
    },
    [Symbol.dispose]() {
      clock.mock.restore();
      mock.timers.reset();
    },
  };
}
