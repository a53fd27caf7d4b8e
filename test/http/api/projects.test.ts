import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { pushImage } from '../support/push.ts';
import { type ApiNode, startApiNode } from './support/node.ts';

const Project = z.object({
  project_id: z.number(),
  name: z.string(),
  owner_name: z.string(),
  repo_count: z.number(),
  metadata: z.record(z.string(), z.string()),
  current_user_role_id: z.number().optional(),
  registry_id: z.number().optional(),
});

async function read(node: ApiNode, path: string, as?: string): Promise<z.infer<typeof Project>> {
  return Project.parse((await node.call(`GET ${path}`, undefined, as)).json());
}

async function names(node: ApiNode, query = '', as?: string): Promise<readonly string[]> {
  const answer = await node.call(`GET /projects${query}`, undefined, as);
  return z
    .array(Project)
    .parse(answer.json())
    .map(({ name }) => name);
}

describe('a project', () => {
  it('is created, read by id and by name, changed and deleted', async () => {
    await using node = await startApiNode();

    const path = await node.create('/projects', {
      project_name: 'team',
      metadata: { public: 'false', auto_scan: 'true' },
      storage_limit: 1000,
    });
    const project = await read(node, path);
    assert.equal(path, `/api/v2.0/projects/${project.project_id}`);
    assert.deepEqual(
      [project.name, project.owner_name, project.repo_count, project.current_user_role_id],
      ['team', 'admin', 0, 1],
    );
    assert.deepEqual(project.metadata, { auto_scan: 'true', public: 'false' });
    assert.deepEqual(await read(node, '/projects/team'), project);

    assert.equal((await node.call(`PUT ${path}`, { metadata: { public: 'true' } })).status, 200);
    assert.equal((await read(node, path)).metadata['public'], 'true');
    const quota = await node.call(`GET /quotas/${project.project_id}`);
    assert.deepEqual(z.object({ hard: z.unknown() }).parse(quota.json()).hard, { storage: 1000 });

    assert.equal((await node.call(`DELETE ${path}`)).status, 200);
    assert.equal((await node.call(`GET ${path}`)).status, 404);
  });

  it('may be told of by its name in Location, as Terraform wants it', async () => {
    await using node = await startApiNode();

    const answer = await node.send({
      method: 'POST',
      path: '/api/v2.0/projects/',
      as: 'admin:pw',
      headers: { 'Content-Type': 'application/json', 'X-Resource-Name-In-Location': 'true' },
      body: JSON.stringify({ project_name: 'team', public: true }),
    });

    assert.equal(answer.status, 201);
    assert.equal(answer.headers.location, '/api/v2.0/projects/team');
    assert.equal((await read(node, '/projects/team')).metadata['public'], 'true');
  });

  it('is not created twice, without a name, by just anybody, or with a promise nobody keeps', async () => {
    await using node = await startApiNode();
    const create = async (body: object, as?: string) =>
      (await node.call('POST /projects', body, as)).status;

    assert.equal(await create({ project_name: 'local' }), 409);
    assert.equal(await create({ project_name: 'No Name' }), 400);
    assert.equal(await create({}), 400);
    assert.equal(await create({ project_name: 'a', metadata: { prevent_vul: 'true' } }), 400);
    const allowlist = { items: [{ cve_id: 'CVE-1' }] };
    assert.equal(await create({ project_name: 'a', cve_allowlist: allowlist }), 400);
    assert.equal(await create({ project_name: 'a' }, 'guest:pw'), 403);
    assert.ok(!(await names(node)).includes('a'));
  });

  it('with something in it stays, and says why', async () => {
    await using node = await startApiNode();
    await pushImage(node, 'secret/app', ['v1']);

    const deletable = await node.call('GET /projects/secret/_deletable');
    const refused = await node.call('DELETE /projects/secret');

    const { deletable: isDeletable } = z.object({ deletable: z.boolean() }).parse(deletable.json());
    assert.equal(isDeletable, false);
    assert.equal(refused.status, 412);
    assert.equal(refused.code, 'PRECONDITION');
  });

  it('is summed up, with its people for those who may know them', async () => {
    await using node = await startApiNode();
    await node.create('/projects/local/members', {
      role_id: 2,
      member_user: { username: 'guest' },
    });
    await pushImage(node, 'local/app', ['v1']);
    const Summary = z.object({
      repo_count: z.number(),
      developer_count: z.number().optional(),
      quota: z.object({ used: z.object({ storage: z.number().positive() }) }).optional(),
    });
    const ask = async (as?: string) =>
      Summary.parse((await node.call('GET /projects/local/summary', undefined, as)).json());

    const { repo_count, developer_count, quota } = await ask('guest:pw');
    assert.deepEqual([repo_count, developer_count], [1, 1]);
    assert.ok(quota);
    const forNobody = await node.send({ path: '/api/v2.0/projects/local/summary' });
    assert.deepEqual(forNobody.json(), { repo_count: 1 });
  });
});

describe('the list of projects', () => {
  it('shows everybody what is public, and the rest to those who have a role there', async () => {
    await using node = await startApiNode();
    const anonymous = z
      .array(Project)
      .parse((await node.send({ path: '/api/v2.0/projects' })).json());

    assert.deepEqual(
      anonymous.map(({ name }) => name),
      ['local', 'sparse', 'docker.io'],
    );
    assert.deepEqual(await names(node, '', 'guest:pw'), ['local', 'sparse', 'docker.io']);
    await node.create('/projects/secret/members', {
      role_id: 3,
      member_user: { username: 'guest' },
    });
    assert.deepEqual(await names(node, '', 'guest:pw'), ['local', 'secret', 'sparse', 'docker.io']);
    assert.equal((await read(node, '/projects/secret', 'guest:pw')).current_user_role_id, 3);
  });

  it('is filtered in the new way and in the old ones', async () => {
    await using node = await startApiNode();

    assert.deepEqual(await names(node, '?name=sec'), ['secret']);
    assert.deepEqual(await names(node, '?public=false'), ['secret']);
    assert.deepEqual(await names(node, '?q=name=~a&sort=-name'), ['sparse', 'local']);
    assert.deepEqual(await names(node, '?owner=nobody'), []);
    assert.deepEqual(await names(node, '?q=owner=nobody'), []);
    assert.deepEqual(await names(node, '?q=owner_name=nobody'), []);
  });

  it('tells by HEAD whether a name is there, if one may know', async () => {
    await using node = await startApiNode();
    const ask = async (name: string, as: string) =>
      (await node.send({ method: 'HEAD', path: `/api/v2.0/projects?project_name=${name}`, as }))
        .status;

    assert.equal(await ask('secret', 'admin:pw'), 200);
    assert.equal(await ask('secret', 'guest:pw'), 404);
    assert.equal(await ask('local', 'guest:pw'), 200);
    assert.equal(await ask('absent', 'admin:pw'), 404);
  });
});

describe('metadata of a project', () => {
  const METADATA = '/projects/secret/metadatas';

  it('is added, read, changed and deleted one by one', async () => {
    await using node = await startApiNode();

    assert.equal((await node.call(`POST ${METADATA}/`, { auto_scan: 'true' })).status, 200);
    assert.equal((await node.call(`POST ${METADATA}/`, { auto_scan: 'true' })).status, 409);
    assert.deepEqual((await node.call(`GET ${METADATA}/auto_scan`)).json(), { auto_scan: 'true' });
    const changed = await node.call(`PUT ${METADATA}/auto_scan`, { auto_scan: 'false' });
    assert.equal(changed.status, 200);
    assert.deepEqual((await node.call(`GET ${METADATA}/`)).json(), {
      auto_scan: 'false',
      public: 'false',
    });
    assert.equal((await node.call(`DELETE ${METADATA}/auto_scan`)).status, 200);
    assert.equal((await node.call(`GET ${METADATA}/auto_scan`)).status, 404);
  });

  it('is one that there is, with a value of its own', async () => {
    await using node = await startApiNode();

    assert.equal((await node.call(`PUT ${METADATA}/public`, { auto_scan: 'true' })).status, 400);
    assert.equal((await node.call(`PUT ${METADATA}/severity`, { severity: 'low' })).status, 404);
    assert.equal((await node.call(`POST ${METADATA}/`, { mood: 'good' })).status, 400);
    assert.equal((await node.call(`DELETE ${METADATA}/public`)).status, 400);
  });
});

describe('a quota', () => {
  const Quota = z.object({
    id: z.number(),
    ref: z.object({ name: z.string() }),
    hard: z.object({ storage: z.number() }),
    used: z.object({ storage: z.number() }),
  });

  it('is listed by project, raised and lowered', async () => {
    await using node = await startApiNode();
    const { project_id: id } = await read(node, '/projects/secret');
    const list = async (query: string) =>
      z.array(Quota).parse((await node.call(`GET /quotas/${query}`)).json());

    const [quota] = await list(`?reference=project&reference_id=${id}`);
    assert.deepEqual([quota?.ref.name, quota?.hard.storage], ['secret', -1]);
    assert.equal((await node.call(`PUT /quotas/${id}`, { hard: { storage: 5 } })).status, 200);
    const byLimit = await list('?sort=-hard.storage&page_size=1');
    assert.deepEqual(
      byLimit.map(({ ref }) => ref.name),
      ['secret'],
    );
    assert.equal((await node.call(`PUT /quotas/${id}`, { hard: { storage: 0.5 } })).status, 400);
    assert.equal((await node.call('PUT /quotas/999', { hard: { storage: 5 } })).status, 404);
    assert.deepEqual(await list('?reference=robot'), []);
  });
});
