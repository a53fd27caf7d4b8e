import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
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
