import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import {
  deletionLimit,
  type MirroredTag,
  PruneRule,
  tagsToDelete,
} from '../../policies/replication-mirror.ts';
import { selectsTag, TagFilter } from '../../policies/replication-selection.ts';
import { digestOf } from '../../src/oci/digest.ts';

const [ONE, TWO] = [digest('one'), digest('two')];
const SIGNED = `${ONE.replace(':', '-')}.sig`;

describe('a mirror removes', () => {
  const rows: readonly {
    name: string;
    wanted: readonly string[] | undefined;
    there: readonly MirroredTag[];
    tags?: unknown;
    gone: readonly string[];
  }[] = [
    {
      name: 'what is no longer copied',
      wanted: ['a'],
      there: [{ name: 'a' }, { name: 'b' }],
      gone: ['b'],
    },
    { name: 'nothing where all is', wanted: ['a', 'b'], there: [{ name: 'a' }], gone: [] },
    { name: 'everything where nothing is', wanted: [], there: [{ name: 'a' }], gone: ['a'] },
    { name: 'nothing where nobody knows', wanted: undefined, there: [{ name: 'a' }], gone: [] },
    {
      name: 'nothing that the policy is not about',
      wanted: [],
      there: [{ name: 'v1' }, { name: 'latest' }],
      tags: ['v*'],
      gone: ['v1'],
    },
    {
      name: 'nothing that others pushed',
      wanted: [],
      there: [
        { name: 'a', isForeign: true },
        { name: 'b', isForeign: false },
      ],
      gone: ['b'],
    },
    {
      name: 'a signature with the last tag of what it signs',
      wanted: [],
      there: [{ name: 'v1', digest: ONE }, { name: SIGNED }],
      tags: ['v*'],
      gone: ['v1', SIGNED],
    },
    {
      name: 'no signature of what stays by another tag',
      wanted: ['v2'],
      there: [{ name: 'v1', digest: ONE }, { name: 'v2', digest: ONE }, { name: SIGNED }],
      gone: ['v1'],
    },
    {
      name: 'no signature of what is on its way by another tag',
      wanted: ['v2', SIGNED],
      there: [{ name: 'v1', digest: ONE }, { name: SIGNED }],
      gone: ['v1'],
    },
    {
      name: 'no signature of something else',
      wanted: [],
      there: [{ name: 'v1', digest: TWO }, { name: SIGNED }],
      gone: ['v1'],
    },
    {
      name: 'no signature of what may stay',
      wanted: ['v2'],
      there: [{ name: 'v1', digest: ONE }, { name: 'v2' }, { name: SIGNED }],
      gone: ['v1'],
    },
    {
      name: 'no signature that others pushed',
      wanted: [],
      there: [
        { name: 'v1', digest: ONE },
        { name: SIGNED, isForeign: true },
      ],
      gone: ['v1'],
    },
  ];
  for (const { name, wanted, there, tags = {}, gone } of rows) {
    it(name, () => {
      const found = tagsToDelete({ wanted, there }, TagFilter.parse(tags));

      assert.deepEqual(
        found.map((tag) => tag.name),
        gone,
      );
    });
  }

  it('never what is wanted, what it does not select, or what others pushed', () => {
    const anyName = fc.constantFrom('v1', 'v2', 'v3', 'edge', 'latest', SIGNED);
    const anyThere = fc.uniqueArray(
      fc.record({
        name: anyName,
        digest: fc.constantFrom(undefined, ONE, TWO),
        isForeign: fc.boolean(),
      }),
      { selector: ({ name }) => name },
    );
    const anyFilter = fc.constantFrom({}, ['v*'], { exclude: ['v1'] }, ['latest', 'edge']);
    fc.assert(
      fc.property(fc.array(anyName), anyThere, anyFilter, (wanted, there, text) => {
        const filter = TagFilter.parse(text);
        for (const { name, isForeign } of tagsToDelete({ wanted, there }, filter)) {
          assert.ok(!wanted.includes(name) && (name === SIGNED || selectsTag(name, filter)));
          assert.ok(!isForeign);
        }
      }),
    );
  });
});

describe('one run deletes at most', () => {
  const rows = [
    { atMost: 50, selected: 10, limit: 50 },
    { atMost: '10%', selected: 1000, limit: 100 },
    { atMost: '10%', selected: 19, limit: 1 },
    { atMost: '10%', selected: 3, limit: 1 },
    { atMost: '100%', selected: 3, limit: 3 },
    { atMost: undefined, selected: 100, limit: 10 },
  ];
  for (const { atMost, selected, limit } of rows) {
    it(`${limit} of ${selected} by ${atMost ?? 'itself'}`, () => {
      assert.equal(deletionLimit(selected, PruneRule.parse({ atMost })), limit);
    });
  }
});

function digest(content: string): ReturnType<typeof digestOf> {
  return digestOf(new TextEncoder().encode(content));
}
