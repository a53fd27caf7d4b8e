/** Who may show whom what a registry shows this node. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { type ApiNode, startApiNode } from './support/node.ts';

const GUEST = 'guest:pw';
const HUB = {
  name: 'hub',
  type: 'docker-registry',
  url: 'http://registry.example',
  credential: { type: 'basic', access_key: 'me', access_secret: 'Hidden1' },
};

async function addRegistry(node: ApiNode, registry: object = HUB): Promise<number> {
  return Number((await node.create('/registries', registry)).split('/').at(-1));
}

async function limitOf(node: ApiNode, project: string): Promise<number> {
  const { project_id: id } = z
    .object({ project_id: z.number() })
    .parse((await node.call(`GET /projects/${project}`)).json());
  const Quota = z.object({ hard: z.object({ storage: z.number() }) });
  return Quota.parse((await node.call(`GET /quotas/${id}`)).json()).hard.storage;
}

describe('where everybody may create projects, a user', () => {
  it('creates no proxy projects: the registry lets the node in, not the user', async () => {
    await using node = await startApiNode();
    await node.call('PUT /configurations', { project_creation_restriction: 'everyone' });
    const registry_id = await addRegistry(node);
    const create = async (body: object, as?: string) =>
      (await node.call('POST /projects', body, as)).status;

    assert.equal(await create({ project_name: 'mine', registry_id: 0 }, GUEST), 201);
    assert.equal(await create({ project_name: 'theirs', registry_id }, GUEST), 403);
    assert.equal(await create({ project_name: 'ours', registry_id }), 201);
  });

  it('is given the limit of the node, whatever the request says', async () => {
    await using node = await startApiNode();
    const settings = { project_creation_restriction: 'everyone', storage_per_project: 5000 };
    await node.call('PUT /configurations', settings);

    for (const storage_limit of [-1, 0, 9000]) {
      const project_name = `of-${storage_limit + 1}`;
      const { status } = await node.call('POST /projects', { project_name, storage_limit }, GUEST);
      assert.equal(status, 201);
      assert.equal(await limitOf(node, project_name), 5000);
    }
    await node.create('/projects', { project_name: 'unlimited', storage_limit: -1 });
    assert.equal(await limitOf(node, 'unlimited'), -1);
    await node.create('/projects', { project_name: 'unsaid', storage_limit: 0 });
    assert.equal(await limitOf(node, 'unsaid'), 5000);
  });
});

describe('what the credential of a registry may see', () => {
  const FREE = { public: 'true', proxy_cache_filter_pattern: 'free/**' };

  it('is shown to everybody by no admin of the project alone', async () => {
    await using node = await startApiNode();
    await withProject(node, { public: 'false' });
    const put = async (what: string, body: object, as?: string) =>
      (await node.call(`PUT /projects/mirror${what}`, body, as)).status;

    assert.equal(await put('', { metadata: FREE }, GUEST), 403);
    assert.equal(await put('', { public: true, metadata: FREE }, GUEST), 403);
    // Hidden, it may be filtered by its own admin, who does not show it by that.
    assert.equal(await put('', { metadata: { ...FREE, public: 'false' } }, GUEST), 200);
    assert.equal(await put('/metadatas/public', { public: 'true' }, GUEST), 403);
    assert.equal(await put('/metadatas/public', { public: 'true' }), 200);
  });

  it('is not shown wider by an admin of the project alone', async () => {
    await using node = await startApiNode();
    await withProject(node, FREE);
    const call = async (what: string, body?: object, as = GUEST) =>
      (await node.call(what, body, as)).status;
    const name = 'proxy_cache_filter_pattern';
    const path = `/projects/mirror/metadatas/${name}`;

    assert.equal(await call(`PUT ${path}`, { [name]: '*/**' }), 400, 'that says nothing');
    assert.equal(await call(`PUT ${path}`, { [name]: 'more/**' }), 403);
    assert.equal(await call(`DELETE ${path}`), 400);
    assert.equal(await call('PUT /projects/mirror', { metadata: FREE }), 200, 'as it is');
    assert.equal(await call('PUT /projects/mirror', { metadata: { auto_scan: 'true' } }), 200);
    assert.equal(await call(`PUT ${path}`, { [name]: 'more/**' }, 'admin:pw'), 200);
    assert.equal(await call('PUT /projects/mirror', { public: false }), 200);
  });

  it('is not asked about where there is no credential', async () => {
    await using node = await startApiNode();
    const { credential: _none, ...registry } = HUB;
    const registry_id = await addRegistry(node, registry);
    await node.create('/projects', { project_name: 'mirror', registry_id });
    const member = { role_id: 1, member_user: { username: 'guest' } };
    await node.create('/projects/mirror/members', member);

    assert.equal((await node.call('PUT /projects/mirror', { public: true }, GUEST)).status, 200);
  });
});

async function withProject(node: ApiNode, metadata: object): Promise<void> {
  const registry_id = await addRegistry(node);
  await node.create('/projects', { project_name: 'mirror', registry_id, metadata });
  const member = { role_id: 1, member_user: { username: 'guest' } };
  await node.create('/projects/mirror/members', member);
}
