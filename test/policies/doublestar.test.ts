import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import {
  examplesOf,
  isDoublestar,
  matchesDoublestar,
  Pattern,
  textsOf,
} from '../../policies/doublestar.ts';

describe('a pattern of the configuration', () => {
  for (const [pattern, text, isMatch] of [
    ['latest', 'latest', true],
    ['latest', 'latest2', false],
    ['*', '1.2-alpine', true],
    ['*', 'library/alpine', false],
    ['library/*', 'library/alpine', true],
    ['library/*', 'library/a/b', false],
    ['library/**', 'library/a/b', true],
    ['library/**', 'library', false],
    ['[a-z]*/**', 'team/app', true],
    ['**', 'a/b/c', true],
    ['**/alpine', 'alpine', true],
    ['**/alpine', 'a/b/alpine', true],
    ['**/alpine', 'a/notalpine', false],
    ['*.*.*', '1.2.3', true],
    ['*.*.*', '1x2x3', false],
    ['v?', 'v1', true],
    ['v?', 'v12', false],
    ['{stable,edge}-*', 'edge-2', true],
    ['{stable,edge}-*', 'test-2', false],
    ['a,b', 'a,b', true],
    ['a+(b)', 'a+(b)', true],
    ['a|b', 'a', false],
  ] as const) {
    it(`${pattern} ${isMatch ? 'matches' : 'does not match'} ${text}`, () => {
      assert.equal(matchesDoublestar(text, pattern), isMatch);
    });
  }

  for (const text of [
    '',
    '{a',
    '[',
    'x'.repeat(256),
    '{a,b}'.repeat(7),
    '{a,b}'.repeat(5) + 'x'.repeat(200),
  ]) {
    it(`may not be ${JSON.stringify(text.slice(0, 10))} of ${text.length} characters`, () => {
      assert.equal(Pattern.safeParse(text).success, false);
    });
  }
});

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
    ['a/**', ['a/b', 'a/b/c'], ['a', 'ab', 'b/a', 'ab/c']],
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
    ['{a/**,**/z}', ['a/x', 'c/z'], ['a', 'c/d']],
    ['{a/**,b}/c', ['a/c', 'a/x/c', 'a/x/y/c', 'b/c'], ['a/x', 'b/x/c']],
    ['{**,z}-1', ['a-1', 'z-1'], ['a', 'a/b-1']],
    ['a{/**,b}', ['a/x/y', 'ab'], ['a', 'ac']],
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
    const pattern = `${'*a'.repeat(60)}${'{a,*}'.repeat(2)}b`;
    const started = performance.now();

    assert.ok(!matchesDoublestar('a'.repeat(255), pattern));

    assert.ok(performance.now() - started < 1000);
  });
});

describe('texts that a pattern matches', () => {
  it('are all told where it has no wildcard', () => {
    assert.deepEqual(textsOf('a/{b,c}-{1,2}'), ['a/b-1', 'a/b-2', 'a/c-1', 'a/c-2']);
    assert.deepEqual(textsOf('a\\*b'), ['a*b']);
    for (const pattern of ['a*', '{a,b?}', 'a/**', '[ab]', 'a[', '']) {
      assert.equal(textsOf(pattern), undefined);
    }
  });

  it('are shown by examples that do match', () => {
    const piece = fc.constantFrom('a', 'b1', '*', '**', '?', '[a-c]', '[^a]', '{a,b*}', 'x-{1,2}');
    const anyPattern = fc
      .array(piece, { minLength: 1, maxLength: 5 })
      .map((pieces) => pieces.join('/'));
    fc.assert(
      fc.property(anyPattern, (pattern) => {
        const examples = examplesOf(pattern);
        assert.ok(examples.length > 0);
        assert.ok(examples.every((text) => matchesDoublestar(text, pattern)));
        for (const text of textsOf(pattern) ?? []) assert.ok(examples.includes(text));
      }),
    );
  });
});
