import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { mayBePulledThrough, PullThroughSettings } from '../../policies/pull-through.ts';

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
