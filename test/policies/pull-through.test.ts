import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  exposesPrivate,
  mayBePulledThrough,
  PullThroughSettings,
} from '../../policies/pull-through.ts';

describe('a proxy project pulls through', () => {
  for (const { name, repositories, repository, verdict } of [
    { name: 'everything by default', repository: 'a/b', verdict: true },
    {
      name: 'what is included',
      repositories: { include: ['library/**'] },
      repository: 'library/x',
      verdict: true,
    },
    {
      name: 'nothing else then',
      repositories: { include: ['library/**'] },
      repository: 'evil/x',
      verdict: false,
    },
    {
      name: 'nothing that is excluded',
      repositories: { exclude: ['evil/**'] },
      repository: 'evil/x',
      verdict: false,
    },
    {
      name: 'not even what is included as well',
      repositories: { include: ['library/*'], exclude: ['library/secret'] },
      repository: 'library/secret',
      verdict: false,
    },
  ]) {
    it(name, () => {
      const settings = PullThroughSettings.parse(
        repositories === undefined ? {} : { repositories },
      );
      assert.equal(mayBePulledThrough(repository, settings.repositories), verdict);
    });
  }
});

describe('a public project shows everybody what a credential may see', () => {
  const SAID = [
    { include: ['library/**'] },
    { include: ['*/public'] },
    { include: ['team-*'] },
    { exclude: ['secret/**'] },
  ];
  const UNSAID = [
    {},
    { include: ['**'] },
    { include: ['*'] },
    { include: ['*/*'] },
    { include: ['**/*'] },
    { include: ['library/*', '**'] },
    { include: ['{library,**}'] },
    { include: ['?*/**'] },
    { include: ['[a-z0-9]*/**'] },
  ];

  it('by no setting, or by one that says so', () => {
    assert.equal(isExposed({}), true);
    assert.equal(isExposed({ exposePrivate: true }), false);
  });
  for (const repositories of UNSAID) {
    it(`by a filter that says nothing: ${JSON.stringify(repositories)}`, () => {
      assert.equal(isExposed({ repositories }), true);
    });
  }
  for (const repositories of SAID) {
    it(`not by one that says what: ${JSON.stringify(repositories)}`, () => {
      assert.equal(isExposed({ repositories }), false);
    });
  }
  it('not without a credential, and not while it is private', () => {
    const settings = PullThroughSettings.parse({});
    assert.equal(exposesPrivate({ isPublic: true, settings }, false), false);
    assert.equal(exposesPrivate({ isPublic: false, settings }, true), false);
  });
});

function isExposed(written: object): boolean {
  const settings = PullThroughSettings.parse(written);
  return exposesPrivate({ isPublic: true, settings }, true);
}
