import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Duration, DurationOrForever, Size } from '../../policies/units.ts';

describe('a duration', () => {
  for (const [text, milliseconds] of [
    ['500ms', 500],
    ['30s', 30_000],
    ['1.5h', 5_400_000],
    ['7d', 604_800_000],
    ['0s', 0],
  ] as const) {
    it(`${text} is ${milliseconds} ms`, () => {
      assert.equal(Duration.parse(text), milliseconds);
    });
  }

  for (const text of ['5', '-5m', '5 m', '5M', 'm', '', '1e3s', 'forever']) {
    it(`${JSON.stringify(text)} is none`, () => {
      assert.equal(Duration.safeParse(text).success, false);
    });
  }

  it('may be forever only where that is said', () => {
    assert.equal(DurationOrForever.parse('forever'), Number.POSITIVE_INFINITY);
    assert.equal(DurationOrForever.parse('5m'), 300_000);
  });
});

describe('a size', () => {
  for (const [text, bytes] of [
    ['0B', 0],
    ['64KiB', 65_536],
    ['4MiB', 4_194_304],
    ['1.5GB', 1_500_000_000],
    ['2TiB', 2_199_023_255_552],
  ] as const) {
    it(`${text} is ${bytes} bytes`, () => {
      assert.equal(Size.parse(text), bytes);
    });
  }

  for (const text of ['4', '4M', '4 MiB', '-1B', '4mib', '']) {
    it(`${JSON.stringify(text)} is none`, () => {
      assert.equal(Size.safeParse(text).success, false);
    });
  }
});
