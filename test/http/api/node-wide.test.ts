import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { pushImage } from '../support/push.ts';
import { propertiesOf } from './support/contract.ts';
import { startApiNode } from './support/node.ts';

describe('the audit log', () => {
  const Records = z.array(
    z.object({ username: z.string(), operation: z.string(), resource: z.string() }),
  );

  it('tells who did what, of the node and of a project, in both forms', async () => {
    await using node = await startApiNode();
    await node.create('/projects', { project_name: 'team' });
    await node.create('/usergroups', { group_name: 'ops', group_type: 3 });

    for (const [path, count] of [
      ['/audit-logs', 2],
      ['/auditlog-exts', 2],
      ['/projects/team/logs', 1],
      ['/projects/team/auditlog-exts', 1],
    ] as const) {
      const answer = await node.call(`GET ${path}?q=operation=create`);
      const records = Records.parse(answer.json());
      assert.equal(answer.headers['x-total-count'], String(count), path);
      assert.deepEqual(records.at(-1), {
        username: 'admin',
        operation: 'create',
        resource: 'team',
      });
    }
    const events = await node.call('GET /auditlog-exts/events');
    assert.ok(z.array(z.object({ event_type: z.string() })).parse(events.json()).length > 10);
  });

  it('tells others what happened in the projects whose logs they may read, and nothing else', async () => {
    await using node = await startApiNode();
    const own = await node.create('/projects', { project_name: 'team' });
    await node.create('/projects', { project_name: 'other', metadata: { public: 'true' } });
    const told = async () => {
      const answer = await node.call('GET /auditlog-exts', undefined, 'guest:pw');
      return Records.parse(answer.json()).map(
        ({ operation, resource }) => `${operation} ${resource}`,
      );
    };
    assert.deepEqual(await told(), []);

    const member = { role_id: 2, member_user: { username: 'guest' } };
    const membership = await node.create(`${own.replace('/api/v2.0', '')}/members`, member);
    assert.deepEqual(await told(), []);
    await node.call(`PUT ${membership}`, { role_id: 1 });

    assert.deepEqual(await told(), ['update guest', 'create guest', 'create team']);
    assert.equal((await node.send({ path: '/api/v2.0/audit-logs' })).status, 401);
    const ask = async (path: string) =>
      (await node.call(`GET ${path}`, undefined, 'guest:pw')).status;
    assert.equal(await ask('/projects/local/logs'), 403);
    assert.equal(await ask('/auditlog-exts/events'), 403);
  });

  it('tells nothing of an event that is turned off, and names those that may be', async () => {
    await using node = await startApiNode();
    const Types = z.array(z.object({ event_type: z.string() }));
    const answer = await node.call('GET /auditlog-exts/events');
    const types = Types.parse(answer.json()).map((each) => each.event_type);
    const off = (list: string) =>
      node.call('PUT /configurations', { disabled_audit_log_event_types: list });

    assert.equal((await off(types.join(','))).status, 200);
    assert.equal((await off('push_artifact')).status, 400);
    await node.create('/projects', { project_name: 'team' });
    await pushImage(node, 'local/app', ['v1']);

    const records = Records.parse((await node.call('GET /audit-logs')).json());
    assert.deepEqual(
      records.map(({ operation, resource }) => `${operation} ${resource}`),
      ['update disabledAuditEvents'],
    );
  });
});

describe('the node as a whole', () => {
  it('is counted as far as the caller may see it', async () => {
    await using node = await startApiNode();
    await pushImage(node, 'secret/app', ['v1']);
    const Counts = z.object({
      total_project_count: z.number(),
      private_repo_count: z.number(),
      total_storage_consumption: z.number(),
    });
    const count = async (as?: string) =>
      Counts.parse((await node.call('GET /statistics', undefined, as)).json());

    const { total_storage_consumption: bytes, ...all } = await count();
    assert.deepEqual(all, { total_project_count: 4, private_repo_count: 1 });
    assert.ok(bytes > 0);
    assert.deepEqual(await count('guest:pw'), {
      total_project_count: 3,
      private_repo_count: 0,
      total_storage_consumption: 0,
    });
  });

  it('is searched as far as the caller may see it', async () => {
    await using node = await startApiNode();
    await pushImage(node, 'secret/app', ['v1']);
    await pushImage(node, 'local/app', ['v1']);
    const Found = z.object({
      project: z.array(z.object({ name: z.string() })),
      repository: z.array(z.object({ repository_name: z.string(), project_name: z.string() })),
    });
    const search = async (q: string, as?: string) =>
      Found.parse((await node.call(`GET /search?q=${q}`, undefined, as)).json());

    assert.equal((await search('app')).repository.length, 2);
    assert.deepEqual((await search('app', 'guest:pw')).repository, [
      { repository_name: 'local/app', project_name: 'local' },
    ]);
    assert.deepEqual((await search('secret', 'guest:pw')).project, []);
    assert.deepEqual(await search(''), { project: [], repository: [] });
  });
});

describe('configurations', () => {
  it('are those that act, and another key is named', async () => {
    await using node = await startApiNode();
    const PATH = '/configurations';
    const Items = z.record(z.string(), z.object({ value: z.unknown(), editable: z.boolean() }));
    const read = async () => {
      const { scan_all_policy: _policy, ...items } = z
        .looseObject({})
        .parse((await node.call(`GET ${PATH}`)).json());
      return Items.parse(items);
    };

    assert.equal((await read())['project_creation_restriction']?.value, 'adminonly');
    // As the Terraform provider does: what it changes, and all the rest as it is.
    const fixed = Object.entries(await read()).filter(([, { editable }]) => !editable);
    const change = {
      ...Object.fromEntries(fixed.map(([name, { value }]) => [name, value])),
      project_creation_restriction: 'everyone',
      session_timeout: 60,
      notification_enable: true,
      skip_audit_log_database: false,
      scanner_skip_update_pulltime: false,
      banner_message: '',
    };
    assert.equal((await node.call(`PUT ${PATH}`, change)).status, 200);
    assert.equal((await read())['project_creation_restriction']?.value, 'everyone');
    const created = await node.call('POST /projects', { project_name: 'mine' }, 'guest:pw');
    assert.equal(created.status, 201);

    const unknown = await node.call(`PUT ${PATH}`, { ldap_url: 'ldap://x' });
    assert.equal(unknown.status, 400);
    assert.match(unknown.body.toString(), /ldap_url/);
    const other = await node.call(`PUT ${PATH}`, { auth_mode: 'oidc_auth' });
    assert.equal(other.status, 400);
    assert.match(other.body.toString(), /auth_mode: it is .*db_auth/);
    assert.equal((await node.call(`PUT ${PATH}`, { robot_token_duration: 0 })).status, 400);
    // What no project may have is no limit of new ones.
    for (const storage_per_project of [0, -2, 2 ** 50 + 1, 2 ** 51]) {
      assert.equal((await node.call(`PUT ${PATH}`, { storage_per_project })).status, 400);
    }
    await node.create('/projects', { project_name: 'as-before' });
    assert.equal((await node.call(`GET ${PATH}`, undefined, 'guest:pw')).status, 403);
  });

  it('are told whole, as harbor-cli takes it for granted', async () => {
    await using node = await startApiNode();

    const told = z.looseObject({}).parse((await node.call('GET /configurations')).json());

    assert.deepEqual(Object.keys(told).toSorted(), propertiesOf('ConfigurationsResponse'));
  });

  it('say how long a robot lasts that does not say it itself', async () => {
    await using node = await startApiNode();
    await node.call('PUT /configurations', { robot_token_duration: 3 });
    const access = [{ resource: 'repository', action: 'pull' }];

    const robot = await node.create('/robots', {
      name: 'ci',
      level: 'project',
      permissions: [{ kind: 'project', namespace: 'local', access }],
    });

    const { duration } = z
      .object({ duration: z.number() })
      .parse((await node.call(`GET ${robot}`)).json());
    assert.equal(duration, 3);
  });
});

describe('a registry', () => {
  const HUB = {
    name: 'hub',
    type: 'docker-registry',
    url: 'http://registry.example',
    credential: { type: 'basic', access_key: 'me', access_secret: 'Hidden1' },
  };
  const Registry = z.object({
    id: z.number(),
    name: z.string(),
    type: z.string(),
    url: z.string(),
    credential: z.object({ access_key: z.string(), access_secret: z.string() }).optional(),
  });

  it('is created, read without its secret, changed, used and deleted', async () => {
    await using node = await startApiNode();

    const path = await node.create('/registries', HUB);
    const read = await node.call(`GET ${path}`);
    const registry = Registry.parse(read.json());
    assert.deepEqual([registry.type, registry.url], ['docker-registry', HUB.url]);
    assert.deepEqual(registry.credential, { access_key: 'me', access_secret: '*****' });
    assert.ok(!read.body.includes('Hidden1'));
    const listed = await node.call('GET /registries?q=name=hub');
    assert.deepEqual(
      z
        .array(Registry)
        .parse(listed.json())
        .map(({ name }) => name),
      ['hub'],
    );
    assert.equal((await node.call('POST /registries', HUB)).status, 409);
    const change = { name: 'mirror', access_secret: '*****' };
    assert.equal((await node.call(`PUT ${path}`, change)).status, 200);
    assert.equal(Registry.parse((await node.call(`GET ${path}`)).json()).name, 'mirror');
    assert.equal((await node.call('POST /registries/ping', { id: registry.id })).status, 200);

    const project = await node.create('/projects', {
      project_name: 'cache',
      registry_id: registry.id,
      metadata: { public: 'false' },
    });
    assert.equal((await node.call(`DELETE ${path}`)).status, 412);
    assert.equal((await node.call(`DELETE ${project}`)).status, 200);
    assert.equal((await node.call(`DELETE ${path}`)).status, 200);
    assert.equal((await node.call(`GET ${path}`)).status, 404);
  });

  it('is refused where nobody could or should talk to it', async () => {
    await using node = await startApiNode();
    const create = async (more: object) =>
      (await node.call('POST /registries', { ...HUB, ...more })).status;

    assert.equal(await create({ type: 'carrier-pigeon' }), 400);
    assert.equal(await create({ insecure: true }), 400);
    assert.equal(await create({ name: '' }), 400);
    assert.equal((await node.call('POST /registries/ping', { id: 999 })).status, 404);
    assert.equal((await node.call('GET /registries', undefined, 'guest:pw')).status, 403);
  });
});
