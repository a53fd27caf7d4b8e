import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isImmutable } from '../../policies/immutability.ts';

describe('a tag', () => {
  const all = { pattern: '**', excludes: false };
  const releases = { pattern: 'v*', excludes: false };
  const rows = [
    ['of no rule can move', [], 'app', 'v1', false],
    ['of a rule stays', [{ repositories: all, tags: releases }], 'app', 'v1', true],
    ['of another name can move', [{ repositories: all, tags: releases }], 'app', 'latest', false],
    [
      'of a repository that is left out can move',
      [{ repositories: { pattern: 'test/**', excludes: true }, tags: all }],
      'test/app',
      'v1',
      false,
    ],
    [
      'of the others stays',
      [{ repositories: { pattern: 'test/**', excludes: true }, tags: all }],
      'app',
      'v1',
      true,
    ],
    [
      'that one rule holds stays, whatever the others say',
      [
        { repositories: all, tags: { pattern: 'v*', excludes: true } },
        { repositories: all, tags: releases },
      ],
      'app',
      'v1',
      true,
    ],
  ] as const;
  for (const [title, rules, repository, tag, expected] of rows) {
    it(title, () => assert.equal(isImmutable({ repository, tag }, rules), expected));
  }
});
