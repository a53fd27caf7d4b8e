import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { bytesToFree, EvictionRule, idleBefore, mayFit } from '../../policies/eviction.ts';

const facts = { total: 1000, free: 500, condemned: 0, cached: 400, wanted: 0 };

describe('eviction frees', () => {
  for (const { name, given, rule = {}, freed } of [
    { name: 'nothing below the high watermark', given: { free: 150 }, freed: 0 },
    {
      name: 'down to the low watermark once the high one is passed',
      given: { free: 149 },
      freed: 101,
    },
    { name: 'less by what is condemned already', given: { free: 100, condemned: 51 }, freed: 0 },
    { name: 'no more than the cache has', given: { free: 0, cached: 30 }, freed: 30 },
    { name: 'room for a fill that waits', given: { free: 200, wanted: 100 }, freed: 150 },
    {
      name: 'nothing for a fill that would not fit anyway',
      given: { free: 200, wanted: 601 },
      freed: 0,
    },
    { name: 'nothing within the budget', given: {}, rule: { maxBytes: '400B' }, freed: 0 },
    {
      name: 'down to the low share of the budget once it is passed',
      given: {},
      rule: { maxBytes: '200B', highWatermark: 80, lowWatermark: 60 },
      freed: 250,
    },
    {
      name: 'as much as the tighter of both limits asks',
      given: { free: 100 },
      rule: { maxBytes: '390B', highWatermark: 80, lowWatermark: 60 },
      freed: 300,
    },
  ]) {
    it(name, () => {
      assert.equal(bytesToFree({ ...facts, ...given }, EvictionRule.parse(rule)), freed);
    });
  }
});

describe('what comes', () => {
  it('may fit if what is free and what may go are enough', () => {
    assert.equal(mayFit({ ...facts, condemned: 10 }, 910), true);
    assert.equal(mayFit({ ...facts, condemned: 10 }, 911), false);
  });
});

describe('an eviction rule', () => {
  it('says since when content must have been idle to go', () => {
    assert.equal(idleBefore(EvictionRule.parse({ maxIdle: '1m' }), 100_000), 40_000);
  });

  it('lets nothing be idle for too long where that is forever', () => {
    const rule = EvictionRule.parse({ maxIdle: 'forever' });

    assert.equal(idleBefore(rule, 100_000), Number.NEGATIVE_INFINITY);
  });

  it('keeps the watermarks of the documentation by default', () => {
    assert.deepEqual(EvictionRule.parse({}), {
      highWatermark: 85,
      lowWatermark: 75,
      maxIdle: 90 * 24 * 60 * 60_000,
    });
  });

  it('refuses a low watermark above the high one', () => {
    assert.equal(EvictionRule.safeParse({ highWatermark: 50, lowWatermark: 60 }).success, false);
  });
});
