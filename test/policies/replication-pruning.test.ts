import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import {
  KeepRule,
  needsTimes,
  type TagFacts,
  tagsToCopy,
} from '../../policies/replication-pruning.ts';

const NOW = Date.UTC(2026, 10, 23);
const DAY = 86_400_000;

function tag(name: string, facts: Omit<TagFacts, 'name'> = {}): TagFacts {
  return { name, ...facts };
}

const VERSIONS = ['1.2.3', '1.10.0', '1.9.9', '2.0.0-rc.1', 'v2.0.0', 'latest', 'edge'].map(
  (name) => tag(name),
);
const PUSHED = [1, 2, 3, 400].map((days) => tag(`d${days}`, { pushedAt: NOW - days * DAY }));

describe('a rule of what to keep', () => {
  const rows = [
    {
      name: 'ranks by version, and keeps what names none',
      rule: { newest: 2, by: 'semver' },
      tags: VERSIONS,
      copied: ['2.0.0-rc.1', 'v2.0.0', 'latest', 'edge'],
    },
    {
      name: 'counts tags of one digest once',
      rule: { newest: 2, by: 'semver' },
      tags: [
        tag('2', { digest: 'd2' }),
        tag('2.0', { digest: 'd2' }),
        tag('2.0.1', { digest: 'd2' }),
        tag('1.9.0', { digest: 'd1' }),
        tag('1.8.0', { digest: 'd0' }),
        tag('stable', { digest: 'd0' }),
      ],
      copied: ['2', '2.0', '2.0.1', '1.9.0'],
    },
    {
      name: 'ranks calendar versions',
      rule: { newest: 1, by: 'semver' },
      tags: [tag('22.04'), tag('24.04'), tag('23.10')],
      copied: ['24.04'],
    },
    {
      name: 'counts all tags by themselves whose digest nobody knows',
      rule: { newest: 1, by: 'semver' },
      tags: [tag('2'), tag('2.0')],
      copied: ['2.0'],
    },
    { name: 'ranks by push', rule: { newest: 2 }, tags: PUSHED, copied: ['d1', 'd2'] },
    {
      name: 'takes the build for the push where that is not told',
      rule: { newest: 1 },
      tags: [tag('old', { pushedAt: NOW - 2 * DAY }), tag('new', { createdAt: NOW - DAY })],
      copied: ['new'],
    },
    {
      name: 'ranks by build',
      rule: { newest: 1, by: 'created' },
      tags: [
        tag('old', { pushedAt: NOW, createdAt: NOW - 2 * DAY }),
        tag('new', { pushedAt: NOW - DAY, createdAt: NOW - DAY }),
      ],
      copied: ['new'],
    },
    {
      name: 'ranks last what nobody knows the age of',
      rule: { newest: 1 },
      tags: [tag('z'), tag('a', { pushedAt: 0 })],
      copied: ['a'],
    },
    {
      name: 'ranks by version among what was pushed at one time',
      rule: { newest: 1 },
      tags: [tag('1.10', { pushedAt: NOW }), tag('1.9', { pushedAt: NOW })],
      copied: ['1.10'],
    },
    {
      name: 'drops what is old',
      rule: { maxAge: '90d' },
      tags: PUSHED,
      copied: ['d1', 'd2', 'd3'],
    },
    {
      name: 'keeps what is just old enough',
      rule: { maxAge: '3d' },
      tags: PUSHED,
      copied: ['d1', 'd2', 'd3'],
    },
    {
      name: 'drops what nobody knows the age of',
      rule: { maxAge: '90d' },
      tags: [tag('a')],
      copied: [],
    },
    {
      name: 'drops what is old first, and counts then',
      rule: { newest: 2, by: 'semver', maxAge: '90d' },
      tags: [
        tag('9.0.0', { pushedAt: NOW - 100 * DAY }),
        tag('2.0.0', { pushedAt: NOW }),
        tag('1.0.0', { pushedAt: NOW }),
      ],
      copied: ['2.0.0', '1.0.0'],
    },
    {
      name: 'keeps all where there are fewer',
      rule: { newest: 9 },
      tags: PUSHED,
      copied: ['d1', 'd2', 'd3', 'd400'],
    },
  ];
  for (const { name, rule, tags, copied } of rows) {
    it(name, () => {
      const pruned = tagsToCopy(tags, KeepRule.parse(rule), NOW);

      assert.deepEqual(
        pruned.copied.map((kept) => kept.name),
        copied,
      );
      assert.equal(pruned.skipped.length, tags.length - copied.length);
    });
  }

  it('says why something is left out', () => {
    const tags = [
      tag('1', { pushedAt: NOW }),
      tag('2', { pushedAt: NOW - DAY }),
      tag('3', { pushedAt: 0 }),
      tag('4'),
    ];

    const { skipped } = tagsToCopy(tags, KeepRule.parse({ newest: 1, maxAge: '9d' }), NOW);

    assert.deepEqual(
      skipped.map(({ why }) => why),
      ['not of the newest 1 by pushed', 'older than maxAge', 'of unknown age'],
    );
  });

  it('says whether times have to be found out', () => {
    const rules = [
      { newest: 1, by: 'semver' },
      { newest: 1, by: 'semver', maxAge: '1d' },
      { newest: 1 },
      { maxAge: '1d' },
    ];

    assert.deepEqual(
      rules.map((rule) => needsTimes(KeepRule.parse(rule))),
      [false, true, true, true],
    );
  });

  it('says at least how many or how old', () => {
    assert.equal(KeepRule.safeParse({ by: 'semver' }).success, false);
  });

  const anyTags = fc.uniqueArray(
    fc.record({
      name: fc.oneof(
        fc.constantFrom('latest', 'edge', '1', '1.2', 'v3'),
        fc.tuple(fc.nat(3), fc.nat(3), fc.nat(9)).map((parts) => parts.join('.')),
      ),
      digest: fc.option(fc.constantFrom('a', 'b', 'c', 'd'), { nil: undefined }),
      pushedAt: fc.option(fc.integer({ min: NOW - 100 * DAY, max: NOW }), { nil: undefined }),
      createdAt: fc.option(fc.integer({ min: NOW - 100 * DAY, max: NOW }), { nil: undefined }),
    }),
    { selector: ({ name }) => name, maxLength: 12 },
  );
  const anyRule = fc
    .record({
      newest: fc.integer({ min: 1, max: 5 }),
      by: fc.constantFrom('semver', 'pushed', 'created'),
      maxAge: fc.constantFrom(undefined, '10d', '50d'),
    })
    .map((rule) => KeepRule.parse(rule));

  it('leaves nothing unsaid, and nothing more to do', () => {
    fc.assert(
      fc.property(anyTags, anyRule, (tags, rule) => {
        const { copied, skipped } = tagsToCopy(tags, rule, NOW);
        assert.deepEqual(new Set([...copied, ...skipped.map((one) => one.tag)]), new Set(tags));
        assert.equal(copied.length + skipped.length, tags.length);
        assert.deepEqual(tagsToCopy(copied, rule, NOW), { copied, skipped: [] });
      }),
    );
  });

  it('says the same in whatever order tags are listed', () => {
    fc.assert(
      fc.property(anyTags, anyRule, (tags, rule) => {
        const names = (list: readonly TagFacts[]): Set<string> =>
          new Set(tagsToCopy(list, rule, NOW).copied.map(({ name }) => name));
        assert.deepEqual(names(tags.toReversed()), names(tags));
      }),
    );
  });
});
