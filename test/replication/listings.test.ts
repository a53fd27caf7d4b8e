import assert from 'node:assert/strict';
import { describe, it, mock } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { Listings } from '../../src/replication/listings.ts';
import {
  AHEAD,
  isLast,
  namesOf,
  namesUpTo,
  PAGE,
  pageOf,
  pagesOf,
  Source,
} from './support/listed-source.ts';

const HOUR_MS = 60 * 60 * 1000;

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

const isTenth = (name: string): boolean => name.endsWith('0');

const isThousandth = (name: string): boolean => name.endsWith('000');

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
