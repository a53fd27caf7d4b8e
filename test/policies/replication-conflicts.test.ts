import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ReplicationPolicy } from '../../policies/replication.ts';
import { conflictText, conflictWith, rivalsFor } from '../../policies/replication-conflicts.ts';
import type { NamedPolicy } from '../../policies/replication-loops.ts';

const MIRROR = { endpoint: 'local', namespace: 'mirror' };

function named(name: string, text: object): NamedPolicy {
  return { name, policy: ReplicationPolicy.parse({ destinations: [MIRROR], ...text }) };
}

const hub = named('hub', { source: 'hub', repositories: ['library/app', 'library/base'] });

const registryOf = (endpoint: string) => (endpoint === 'docker' ? 'hub' : endpoint);

describe('two policies that name their repositories', () => {
  it('conflict where different ones would have one name', () => {
    const quay = named('quay', { source: 'quay', repositories: ['library/{web,app}'] });

    const conflict = conflictWith(quay, [hub]);

    assert.ok(conflict);
    assert.equal(
      conflictText(conflict),
      'quay/library/app and, by replication policy hub, hub/library/app would both be local/mirror/library/app',
    );
  });

  const fine = [
    { why: 'of the same source', text: { source: 'hub', repositories: ['library/app'] } },
    {
      why: 'of another name of the same registry',
      text: { source: 'docker', repositories: ['library/app'] },
    },
    { why: 'with other names', text: { source: 'quay', repositories: ['library/web'] } },
    {
      why: 'to another registry',
      text: {
        source: 'quay',
        repositories: ['library/app'],
        destinations: [{ endpoint: 'lab', namespace: 'mirror' }],
      },
    },
    {
      why: 'one of them switched off',
      text: { source: 'quay', repositories: ['library/app'], enabled: false },
    },
    { why: 'not known by name', text: { source: 'quay', repositories: ['library/*'] } },
  ];
  for (const { why, text } of fine) {
    it(`do not, ${why}`, () => {
      const other = named('other', text);

      assert.equal(conflictWith(other, [hub], registryOf), undefined);
      assert.equal(conflictWith(hub, [other], registryOf), undefined);
    });
  }

  it('do not with tags that they do not share', () => {
    const stable = named('stable', { source: 'hub', repositories: ['app'], tags: ['stable'] });
    const edge = named('edge', { source: 'quay', repositories: ['app'], tags: ['edge'] });
    const versions = named('v', { source: 'quay', repositories: ['app'], tags: { semver: '>=1' } });
    const all = named('all', { source: 'quay', repositories: ['app'] });

    assert.equal(conflictWith(stable, [edge, versions]), undefined);
    assert.equal(conflictWith(stable, [edge, all])?.policy, 'all');
  });
});

describe('who copies a repository', () => {
  const asked = {
    place: { endpoint: 'local', repository: 'mirror/library/app' },
    source: { endpoint: 'hub', repository: 'library/app' },
    by: hub,
  };

  it('is told of policies whose patterns select another one for its name', () => {
    const pattern = named('quay', { source: 'quay', repositories: ['library/*'] });
    const whole = named('gcr', {
      source: 'gcr',
      repositories: ['mirror/**'],
      destinations: [{ endpoint: 'local' }],
    });

    assert.deepEqual(rivalsFor(asked, [hub, pattern, whole]), ['quay', 'gcr']);
  });

  it('is not told of the same repository, of other names, and of names that cannot be turned round', () => {
    const same = named('same', { source: 'hub', repositories: ['library/*'] });
    const other = named('other', { source: 'quay', repositories: ['library/b*'] });
    const flat = named('flat', {
      source: 'quay',
      repositories: ['**'],
      destinations: [{ ...MIRROR, flatten: 1 }],
    });

    assert.deepEqual(rivalsFor(asked, [same, other, flat]), []);
  });
});
