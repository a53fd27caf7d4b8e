import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import {
  clippedTo,
  gapsBetween,
  type Intervals,
  lengthAt,
  nextStart,
  totalLength,
  withInterval,
} from '../../src/transfer/intervals.ts';

const SIZE = 40;

/** Pairs in any order, some of them empty, and the bytes that they cover one by one. */
const additions = fc.array(fc.tuple(fc.nat(SIZE), fc.nat(SIZE)), { maxLength: 12 });

function built(pairs: readonly (readonly [number, number])[]) {
  let intervals: Intervals = [];
  const model = new Set<number>();
  for (const [start, end] of pairs) {
    intervals = withInterval(intervals, start, end);
    for (let byte = start; byte < end; byte++) model.add(byte);
  }
  return { intervals, model };
}

function bytesOf(intervals: Intervals): Set<number> {
  return new Set(
    intervals.flatMap(([start, end]) => Array.from({ length: end - start }, (_, i) => start + i)),
  );
}

describe('a set of byte intervals', () => {
  it('has exactly the bytes that were added', () => {
    fc.assert(
      fc.property(additions, (pairs) => {
        const { intervals, model } = built(pairs);
        assert.deepEqual(bytesOf(intervals), new Set([...model].toSorted((a, b) => a - b)));
        assert.equal(totalLength(intervals), model.size);
      }),
    );
  });

  it('stays sorted, with no interval empty and no two that touch', () => {
    fc.assert(
      fc.property(additions, (pairs) => {
        let last = -1;
        for (const [start, end] of built(pairs).intervals) {
          assert.ok(start > last && end > start);
          last = end;
        }
      }),
    );
  });

  it('is the same whatever the order of what was added', () => {
    fc.assert(
      fc.property(additions, (pairs) => {
        assert.deepEqual(built(pairs).intervals, built(pairs.toReversed()).intervals);
      }),
    );
  });

  it('knows how far the bytes go from a position, and where the next ones begin', () => {
    fc.assert(
      fc.property(additions, fc.nat(SIZE), (pairs, position) => {
        const { intervals, model } = built(pairs);
        let end = position;
        while (model.has(end)) end += 1;
        assert.equal(lengthAt(intervals, position), end - position);
        const starts = [...model].filter((byte) => byte > position && !model.has(byte - 1));
        assert.equal(nextStart(intervals, position) ?? Infinity, Math.min(...starts));
      }),
    );
  });

  it('knows what is missing between two positions', () => {
    fc.assert(
      fc.property(additions, fc.nat(SIZE), fc.nat(SIZE), (pairs, start, end) => {
        const { intervals, model } = built(pairs);
        const gaps = gapsBetween(intervals, start, end);
        const missing = Array.from({ length: SIZE }, (_, byte) => byte).filter(
          (byte) => byte >= start && byte < end && !model.has(byte),
        );
        assert.deepEqual(bytesOf(gaps), new Set(missing));
        assert.deepEqual(gaps, built(gaps).intervals);
      }),
    );
  });

  it('is cut at a size', () => {
    fc.assert(
      fc.property(additions, fc.nat(SIZE), (pairs, size) => {
        const { intervals, model } = built(pairs);
        const kept = [...model].filter((byte) => byte < size).toSorted((a, b) => a - b);
        assert.deepEqual(bytesOf(clippedTo(intervals, size)), new Set(kept));
      }),
    );
  });
});
