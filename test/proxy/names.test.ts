import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createNames } from '../../src/proxy/names.ts';

const hub = { name: 'docker.io', kind: 'proxy', isPublic: true, isDefault: true, id: 1 } as const;
const local = { name: 'local', kind: 'hosted', isPublic: true, isDefault: false, id: 2 } as const;

describe('names', () => {
  it('lead to the project as the catalog has it, and keep what the client wrote', async () => {
    const names = namesOf(async () => [hub, local]);

    const target = await names.locate({ ns: 'docker.io', name: 'alpine', method: 'GET' });

    assert.equal(target.project, hub);
    assert.deepEqual(
      { ...target, project: undefined },
      {
        repository: 'docker.io/library/alpine',
        project: undefined,
        clientName: 'alpine',
        ns: 'docker.io',
      },
    );
  });

  it('name no upstream for our own name', async () => {
    const names = namesOf(async () => [hub, local]);

    const target = await names.locate({ ns: 'node:5000', name: 'local/x', method: 'GET' });

    assert.deepEqual([target.repository, target.ns], ['local/x', undefined]);
  });

  it('follow the projects as they come and go', async () => {
    let list: readonly (typeof hub | typeof local)[] = [hub];
    const names = namesOf(async () => list);
    const push = { ns: undefined, name: 'local/x', method: 'PUT' };
    await assert.rejects(names.locate(push), { code: 'DENIED' });

    list = [hub, local];

    assert.equal((await names.locate(push)).repository, 'local/x');
  });
});

function namesOf(list: () => Promise<readonly (typeof hub | typeof local)[]>) {
  return createNames({
    projects: { list },
    canonicalRepository: async ({ name }) =>
      name === 'docker.io' ? (path) => (path.includes('/') ? path : `library/${path}`) : undefined,
    ownNames: ['node:5000'],
  });
}
