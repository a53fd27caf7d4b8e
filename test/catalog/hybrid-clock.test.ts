import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { nextStamp } from '../../src/catalog/hybrid-clock.ts';

const times = fc.integer({ min: 0, max: 2 ** 48 - 2 });

describe('stamps of the hybrid clock', () => {
  it('sort as text in the order in which they were given, whatever the wall clock does', () => {
    fc.assert(
      fc.property(fc.array(times, { minLength: 2 }), (readings) => {
        const stamps: string[] = [];
        for (const now of readings) stamps.push(nextStamp(stamps.at(-1) ?? '', now));

        assert.deepEqual(stamps.toSorted(), stamps);
        assert.equal(new Set(stamps).size, stamps.length);
      }),
      { numRuns: 200 },
    );
  });

  it('begin with the wall clock, and count where it stands still or goes back', () => {
    const first = nextStamp('', 0x123);

    assert.equal(first, '0000000001230000');
    assert.equal(nextStamp(first, 0x123), '0000000001230001');
    assert.equal(nextStamp(first, 0x100), '0000000001230001');
    assert.equal(nextStamp(first, 0x124), '0000000001240000');
  });

  it('take a millisecond ahead when a millisecond has more events than they count', () => {
    assert.equal(nextStamp('000000000123ffff', 0x123), '0000000001240000');
  });
});
