import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Glob, matches } from '../../policies/glob.ts';

describe('a glob', () => {
  for (const [glob, text, isMatch] of [
    ['latest', 'latest', true],
    ['latest', 'latest2', false],
    ['*', '1.2-alpine', true],
    ['*', 'library/alpine', false],
    ['library/*', 'library/alpine', true],
    ['library/*', 'library/a/b', false],
    ['library/**', 'library/a/b', true],
    ['library/**', 'library', false],
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
    it(`${glob} ${isMatch ? 'matches' : 'does not match'} ${text}`, () => {
      assert.equal(matches(text, glob), isMatch);
    });
  }

  for (const text of ['', '{a', 'a}', '{a,{b}}', 'x'.repeat(256)]) {
    it(`may not be ${JSON.stringify(text.slice(0, 10))} of ${text.length} characters`, () => {
      assert.equal(Glob.safeParse(text).success, false);
    });
  }
});
