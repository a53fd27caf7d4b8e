import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isDoublestar, matchesDoublestar } from '../../policies/doublestar.ts';
import { isImmutable } from '../../policies/immutability.ts';

describe('a doublestar pattern', () => {
  const matching: readonly (readonly [
    pattern: string,
    yes: readonly string[],
    no: readonly string[],
  ])[] = [
    ['', ['anything', 'a/b'], []],
    ['**', ['a', 'a/b/c', 'v1.0'], []],
    ['*', ['a', 'v1.0'], ['a/b']],
    ['v*', ['v', 'v1', 'v1.2'], ['1', 'v1/2', 'xv']],
    ['v?.*', ['v1.0', 'v2.'], ['v10.0', 'v.0']],
    ['a/**', ['a', 'a/b', 'a/b/c'], ['ab', 'b/a', 'ab/c']],
    ['**/b', ['b', 'a/b', 'a/c/b'], ['ab', 'b/a']],
    ['a/**/b', ['a/b', 'a/x/b', 'a/x/y/b'], ['a/xb', 'ab']],
    ['a**', ['a', 'abc'], ['a/b']],
    ['[0-9]*', ['1.0', '9'], ['v1']],
    ['[^0-9]*', ['v1'], ['1', '/1']],
    ['[!v]*', ['1'], ['v']],
    ['[a\\]]', ['a', ']'], ['b']],
    ['{dev,test}-*', ['dev-1', 'test-'], ['prod-1', 'dev']],
    ['{v{1,2},latest}', ['v1', 'v2', 'latest'], ['v3', 'v']],
    ['{*-rc,**/x}', ['1-rc', 'x', 'a/x'], ['1']],
    ['{a/**,b/**,**}', ['a', 'a/x', 'c/d/e'], []],
    ['{a/**,**/z}', ['a', 'a/x', 'c/z'], ['c/d']],
    ['{a/**,b}/c', ['a/c', 'a/x/c', 'a/x/y/c', 'b/c'], ['a/x', 'b/x/c']],
    ['{**,z}-1', ['a-1', 'z-1'], ['a', 'a/b-1']],
    ['a{/**,b}', ['a', 'a/x/y', 'ab'], ['ac']],
    ['{a,b}{1,2}', ['a1', 'a2', 'b1', 'b2'], ['a', '1', 'ab']],
    ['{[,}],\\,}x', [',x', '}x'], ['x']],
    ['a,b', ['a,b'], ['a']],
    ['release.1', ['release.1'], ['releasex1']],
    ['\\*', ['*'], ['a']],
    ['(a|b)+', ['(a|b)+'], ['a']],
  ];
  for (const [pattern, yes, no] of matching) {
    it(`${JSON.stringify(pattern)} matches what it says`, () => {
      for (const text of yes) assert.ok(matchesDoublestar(text, pattern), text);
      for (const text of no) assert.ok(!matchesDoublestar(text, pattern), text);
    });
  }

  const wrong = ['[a', '{a', '{a,', '{a,b}{', 'a\\', '[]', 'x'.repeat(256), '{a,b}'.repeat(7)];
  for (const pattern of wrong) {
    it(`is not ${JSON.stringify(pattern.slice(0, 12))}, which matches nothing`, () => {
      assert.ok(!isDoublestar(pattern));
      assert.ok(!matchesDoublestar('a', pattern));
    });
  }

  it('takes no time that anybody notices, however it is made', () => {
    const pattern = `${'*a'.repeat(60)}${'{a,*}'.repeat(6)}b`;
    const started = performance.now();

    assert.ok(!matchesDoublestar('a'.repeat(255), pattern));

    assert.ok(performance.now() - started < 1000);
  });
});

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
