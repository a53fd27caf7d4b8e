import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  type Asking,
  FreshnessRule,
  FreshnessRules,
  ruleFor,
  type Serving,
  staysListed,
  type TagFacts,
  type UpstreamAnswer,
  whatToServe,
  whetherToAsk,
} from '../../policies/freshness.ts';

const NOW = Date.UTC(2026, 0, 31);
const MINUTE = 60_000;

const rule = FreshnessRule.parse({
  ttl: '5m',
  staleWhileRevalidate: '10m',
  staleIfError: '1h',
  staleIfThrottled: '2h',
  negativeTtl: '1m',
});
const lenient = FreshnessRule.parse({ onNotFound: 'serveCached' });

/** What is known of the tag, as the rows of the tables below name it. */
const STATES = {
  unknown: undefined,
  fresh: { checkedAt: NOW - 4 * MINUTE },
  'just stale': { checkedAt: NOW - 5 * MINUTE },
  stale: { checkedAt: NOW - 20 * MINUTE },
  'too old for errors': { checkedAt: NOW - 90 * MINUTE },
  'too old for anything': { checkedAt: NOW - 180 * MINUTE },
  'of unknown age': { checkedAt: undefined },
  'from a clock that was ahead': { checkedAt: NOW + 60 * MINUTE },
} as const satisfies Record<string, TagFacts['cached']>;
type State = keyof typeof STATES;

describe('a cached tag', () => {
  const rows: readonly (readonly [state: State, asking: Asking])[] = [
    ['unknown', 'first'],
    ['fresh', 'no'],
    ['just stale', 'meanwhile'],
    ['stale', 'first'],
    ['too old for errors', 'first'],
    ['too old for anything', 'first'],
    ['of unknown age', 'first'],
    ['from a clock that was ahead', 'first'],
  ];
  for (const [state, asking] of rows) {
    it(`that is ${state} asks upstream: ${asking}`, () => {
      const facts = { cached: STATES[state], missingSince: undefined };
      assert.equal(whetherToAsk(facts, rule, NOW), asking);
    });
  }

  it('that upstream has just said it lacks is not asked for again', () => {
    const facts = { cached: undefined, missingSince: NOW - MINUTE / 2 };
    assert.equal(whetherToAsk(facts, rule, NOW), 'known-missing');
  });

  it('that upstream said it lacks longer ago is asked for again', () => {
    const facts = { cached: undefined, missingSince: NOW - MINUTE };
    assert.equal(whetherToAsk(facts, rule, NOW), 'first');
  });

  it('that upstream has confirmed since it said it lacked it is not missing', () => {
    const facts = { cached: { checkedAt: NOW - 1 }, missingSince: NOW - 2 };
    assert.equal(whetherToAsk(facts, rule, NOW), 'no');
  });

  it('is asked for every time where ttl is nothing', () => {
    const always = FreshnessRule.parse({ ttl: '0s' });
    assert.equal(
      whetherToAsk({ cached: { checkedAt: NOW }, missingSince: undefined }, always, NOW),
      'first',
    );
  });

  it('is never asked for where ttl is forever', () => {
    const never = FreshnessRule.parse({ ttl: 'forever' });
    const facts = { cached: STATES['of unknown age'], missingSince: undefined };
    assert.equal(whetherToAsk(facts, never, NOW), 'no');
  });
});

describe('a list of upstream', () => {
  const listedAt = NOW - MINUTE;
  for (const { name, checkedAt, by = rule, stays } of [
    { name: 'was checked before it', checkedAt: listedAt - 1, stays: false },
    { name: 'was checked as it began', checkedAt: listedAt, stays: true },
    { name: 'was checked since', checkedAt: NOW, stays: true },
    { name: 'was checked nobody knows when', checkedAt: undefined, stays: false },
    { name: 'was checked by a clock that was ahead', checkedAt: NOW + 1, stays: false },
    { name: 'may be served all the same', checkedAt: listedAt - 1, by: lenient, stays: true },
  ]) {
    it(`${stays ? 'lets' : 'does not let'} a cached tag be listed that it lacks and that ${name}`, () => {
      assert.equal(staysListed({ checkedAt, listedAt }, by, NOW), stays);
    });
  }

  it('that there is not hides no cached tag', () => {
    assert.equal(staysListed({ checkedAt: undefined, listedAt: undefined }, rule, NOW), true);
  });
});

describe('an answer of upstream', () => {
  const ANSWERS = [
    'unchanged',
    'changed',
    'not-found',
    'denied',
    'throttled',
    'unavailable',
  ] as const satisfies readonly UpstreamAnswer[];

  /** One column for each of ANSWERS. */
  const table: Record<State, readonly Serving[]> = {
    unknown: ['fetched', 'fetched', 'failure', 'failure', 'failure', 'failure'],
    fresh: ['cached', 'fetched', 'failure', 'failure', 'stale', 'stale'],
    'just stale': ['cached', 'fetched', 'failure', 'failure', 'stale', 'stale'],
    stale: ['cached', 'fetched', 'failure', 'failure', 'stale', 'stale'],
    'too old for errors': ['cached', 'fetched', 'failure', 'failure', 'stale', 'failure'],
    'too old for anything': ['cached', 'fetched', 'failure', 'failure', 'failure', 'failure'],
    'of unknown age': ['cached', 'fetched', 'failure', 'failure', 'failure', 'failure'],
    'from a clock that was ahead': ['cached', 'fetched', 'failure', 'failure', 'stale', 'stale'],
  };
  for (const state of keysOf(table)) {
    for (const [column, answer] of ANSWERS.entries()) {
      const serving = table[state][column];
      it(`${answer}, of a tag that is ${state}: ${serving}`, () => {
        assert.equal(whatToServe(answer, STATES[state], rule, NOW), serving);
      });
    }
  }

  it('not-found leaves a cached tag to be served where the operator says so, whatever its age', () => {
    assert.equal(whatToServe('not-found', STATES['of unknown age'], lenient, NOW), 'stale');
    assert.equal(whatToServe('not-found', undefined, lenient, NOW), 'failure');
  });

  it('denied is told even where a missing tag would be served', () => {
    assert.equal(whatToServe('denied', STATES.fresh, lenient, NOW), 'failure');
  });

  it('unavailable never ends a tag that may be stale forever', () => {
    const forever = FreshnessRule.parse({ staleIfError: 'forever' });
    assert.equal(whatToServe('unavailable', STATES['of unknown age'], forever, NOW), 'stale');
  });
});

describe('freshness rules', () => {
  const rules = FreshnessRules.parse([
    { tags: 'latest', ttl: '1m' },
    { tags: '*.*.*', ttl: '1d' },
    { tags: 'l*', ttl: '2d' },
  ]);
  for (const [tag, ttl] of [
    ['latest', MINUTE],
    ['1.2.3', 24 * 60 * MINUTE],
    ['lts', 48 * 60 * MINUTE],
    ['edge', 5 * MINUTE],
  ] as const) {
    it(`keep ${tag} fresh for ${ttl} ms`, () => {
      assert.equal(ruleFor(tag, rules).ttl, ttl);
    });
  }

  it('have the documented defaults', () => {
    assert.deepEqual(FreshnessRule.parse({}), {
      tags: '*',
      ttl: 5 * MINUTE,
      staleWhileRevalidate: 0,
      staleIfError: 7 * 24 * 60 * MINUTE,
      staleIfThrottled: 7 * 24 * 60 * MINUTE,
      negativeTtl: 30_000,
      onNotFound: 'answer404',
      resolveDeadline: 2000,
    });
  });

  it('refuse what they do not know', () => {
    assert.equal(FreshnessRule.safeParse({ tll: '5m' }).success, false);
  });
});

function keysOf<Key extends string>(record: Record<Key, unknown>): readonly Key[] {
  const isKey = (key: string): key is Key => key in record;
  return Object.keys(record).filter(isKey);
}
