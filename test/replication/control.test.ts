import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { until } from '../support/until.ts';
import { startUpstream, type Upstream } from '../support/upstream.ts';
import { endpointAt, type ReplicatingNode, startReplicatingNode } from './support/nodes.ts';

const OWN = '/api/portolan/v1/replication';

const Execution = z.object({
  id: z.int(),
  policy: z.int(),
  status: z.string(),
  operator: z.string(),
  total: z.int(),
  live: z.int(),
  failed: z.int(),
  bytes: z.int(),
  createdAt: z.iso.datetime(),
});

const Rows = z.array(
  z.object({
    operation: z.string(),
    resource_type: z.string(),
    resource: z.string(),
    username: z.string(),
  }),
);

const Tasks = z.array(
  z.object({ kind: z.string(), state: z.string(), reason: z.string().optional() }),
);

describe('an execution, by the node’s own API', () => {
  it('that failed in part is done again in that part, and has succeeded then', async () => {
    await using directory = await temporaryDirectory();
    await using upstream = await startUpstream();
    const broken = Buffer.from('broken');
    const { layers } = upstream.addImage('library/app', 'v1', [broken]);
    upstream.remove('library/app', layers[0]?.digest ?? '');
    upstream.addImage('library/fine', 'v1', [Buffer.from('fine')]);
    const configuration = copying(upstream, { both: ['library/app', 'library/fine'] });
    await using node = await startReplicatingNode(directory.path, 'node', configuration);
    const { id } = await node.run(1);
    const failed = await execution(node, id);
    assert.deepEqual(
      [failed.policy, failed.status, failed.operator, failed.live],
      [1, 'failed', 'admin', 0],
    );
    assert.ok(failed.failed > 0 && failed.bytes > 0);
    const query = 'q=state=failed,kind=sync-ref';
    const told = await node.send({ path: `${OWN}/executions/${id}/tasks?${query}` });
    const [task] = Tasks.parse(told.json());
    assert.match(task?.reason ?? '', /BLOB_UNKNOWN/);
    assert.equal(told.headers['x-total-count'], '1');
    upstream.addBlob('library/app', broken);
    const before = upstream.requests.length;

    const retried = await node.send({ method: 'POST', path: `${OWN}/executions/${id}/retry` });

    assert.equal(retried.status, 200, retried.body.toString());
    assert.deepEqual(retried.json(), { retried: failed.failed });
    await until(async () => (await execution(node, id)).status === 'succeeded');
    assert.deepEqual(await node.tags('copies/library/app'), ['v1']);
    const asked = upstream.requests.slice(before).map(({ path }) => path);
    assert.ok(
      asked.every((path) => path.includes('/library/app/')),
      asked.join('\n'),
    );
    const missing = await node.send({ method: 'POST', path: `${OWN}/executions/99/retry` });
    assert.equal(missing.status, 404);
  });

  it('is not done again while its policy runs, is switched off, or once it is gone', async () => {
    await using directory = await temporaryDirectory();
    await using upstream = await startUpstream();
    const broken = Buffer.from('broken');
    const { layers } = upstream.addImage('library/app', 'v1', [broken]);
    upstream.remove('library/app', layers[0]?.digest ?? '');
    const { policies, ...configuration } = copying(upstream, { app: ['library/app'] });
    await using node = await startReplicatingNode(directory.path, 'node', configuration);
    const post = (path: string, body: object, method = 'POST') =>
      node.send({ method, path: `${OWN}/${path}`, ...jsonOf(body) });
    const rules = policies.replication['app'];
    assert.equal((await post('policies', { name: 'app', rules })).status, 201);
    const retry = async () => {
      const answer = await post('executions/1/retry', {});
      return [answer.status, answer.body.toString()] as const;
    };
    const { id } = await node.run(1);
    assert.equal((await execution(node, id)).status, 'failed');
    upstream.addBlob('library/app', broken);

    const held = Promise.withResolvers<void>();
    using _ = upstream.behave({ path: /tags\/list/, times: 1 }, { hold: held.promise });
    const other = await node.start(1);
    const besides = await retry();
    assert.equal((await execution(node, id)).status, 'failed');
    await post(`executions/${other}/stop`, {});
    held.resolve();
    await node.ended(other);
    const off = { name: 'app', rules: { ...rules, enabled: false } };
    assert.equal((await post('policies/1', off, 'PUT')).status, 200);
    const switchedOff = await retry();
    assert.equal((await post('policies/1', {}, 'DELETE')).status, 200);
    const gone = await retry();

    assert.equal(besides[0], 412, besides[1]);
    assert.match(besides[1], /execution 2 is not over/);
    assert.equal(switchedOff[0], 412, switchedOff[1]);
    assert.match(switchedOff[1], /app is switched off/);
    assert.equal(gone[0], 404, gone[1]);
    assert.deepEqual(await node.tags('copies/library/app'), []);
  });
});

describe('executions', () => {
  it('are filtered by their policies in every way that the document promises', async () => {
    await using directory = await temporaryDirectory();
    await using upstream = await startUpstream();
    upstream.addImage('library/app', 'v1', [Buffer.from('x')]);
    const of = ['library/app'];
    const configuration = copying(upstream, { one: of, two: of, three: of });
    await using node = await startReplicatingNode(directory.path, 'node', configuration);
    for (const policy of [1, 2, 3]) await node.run(policy);
    const listed = async (query: string, path = `${OWN}/executions`) => {
      const answer = await node.send({ path: `${path}?${query}` });
      if (answer.status !== 200) return answer.status;
      const executions = z.array(z.object({ id: z.int() })).parse(answer.json());
      return executions.map(({ id }) => id);
    };

    assert.deepEqual(await listed('q=policy=2'), [2]);
    assert.deepEqual(await listed('q=policy={2%203}'), [3, 2]);
    assert.deepEqual(await listed('q=policy=(2)'), [2]);
    assert.deepEqual(await listed('q=policy=~2'), [2]);
    assert.deepEqual(await listed('q=policy={9}'), []);
    assert.equal(await listed('q=policy=[2~3]'), 400);
    assert.equal(await listed('q=policy=two'), 400);
    assert.equal(await listed('q=policy={2%20two}'), 400);
    const harbors = '/api/v2.0/replication/executions';
    assert.deepEqual(await listed('q=policy_id={2%203}', harbors), [3, 2]);
    assert.deepEqual(await listed('policy_id=2', harbors), [2]);
  });
});

describe('the audit log', () => {
  it('tells who started replication, held it up and let it go on, and nothing of what changed nothing', async () => {
    await using directory = await temporaryDirectory();
    await using upstream = await startUpstream();
    const { layers } = upstream.addImage('library/app', 'v1', [Buffer.from('x')]);
    upstream.remove('library/app', layers[0]?.digest ?? '');
    const configuration = copying(upstream, { app: ['library/app'] });
    await using node = await startReplicatingNode(directory.path, 'node', configuration);
    const call = async (path: string, method = 'POST', body = {}) => {
      const answer = await node.send({ method, path, ...jsonOf(body) });
      assert.equal(answer.status, 200, `${path} ${answer.body.toString()}`);
    };
    const queue = '/api/v2.0/jobservice/queues/REPLICATION';

    await node.run(1);
    await call(`${OWN}/executions/1/stop`);
    await call(`${OWN}/policies/1/pause`);
    await call(`${OWN}/policies/1/resume`);
    await call(`${OWN}/endpoints/first/pause`);
    await call(`${OWN}/endpoints/first/resume`);
    await call(`${OWN}/executions/1/retry`);
    await node.ended(1);
    await call(`${OWN}/pause`);
    for (const stop of [
      (id: number) => call(`${OWN}/executions/${id}/stop`),
      (id: number) => call(`/api/v2.0/replication/executions/${id}`, 'PUT'),
      () => call(queue, 'PUT', { action: 'stop' }),
      () => call('/api/v2.0/jobservice/jobs/all', 'PUT'),
    ]) {
      const id = await node.start(1);
      await stop(id);
      await node.ended(id);
    }
    await call(queue, 'PUT', { action: 'resume' });
    await call(queue, 'PUT', { action: 'pause' });
    await call(`${OWN}/resume`);

    const told = await node.send({ path: '/api/v2.0/auditlog-exts?page_size=100&sort=id' });
    const rows = Rows.parse(told.json()).filter(({ operation }) =>
      /^(?:start|pause|resume|retry|stop)$/.test(operation),
    );
    assert.ok(rows.every(({ username }) => username === 'admin'));
    assert.deepEqual(
      rows.map(({ operation, resource_type, resource }) =>
        [operation, resource_type, resource].join(' '),
      ),
      [
        'start replication 1',
        'pause replication-policy app',
        'resume replication-policy app',
        'pause registry first',
        'resume registry first',
        'retry replication 1',
        'pause replication everything',
        ...[2, 3, 4, 5].flatMap((id) => [`start replication ${id}`, `stop replication ${id}`]),
        'resume replication everything',
        'pause replication everything',
        'resume replication everything',
      ],
    );
  });
});

describe('a pause', () => {
  const held = [
    ['of a policy', 'policies/1'],
    ['of an endpoint', 'endpoints/first'],
  ] as const;
  for (const [what, path] of held) {
    it(`${what} holds it until it is resumed, and nothing else`, async () => {
      await using directory = await temporaryDirectory();
      await using first = await startUpstream();
      await using second = await startUpstream();
      for (const each of [first, second]) each.addImage('library/app', 'v1', [Buffer.from('x')]);
      const { endpoints, policies } = copying(first, { held: ['library/app'] });
      second.addImage('library/other', 'v1', [Buffer.from('x')]);
      const other = copying(second, { free: ['library/other'] }, 'second');
      await using node = await startReplicatingNode(directory.path, 'node', {
        projects: { copies: {} },
        endpoints: { ...endpoints, ...other.endpoints },
        policies: { replication: { ...policies.replication, ...other.policies.replication } },
      });
      const turn = (verb: string) => node.send({ method: 'POST', path: `${OWN}/${path}/${verb}` });
      assert.equal((await turn('pause')).status, 200);
      const id = await start(node, 1);

      assert.equal((await node.run(2)).status, 'Succeed');
      assert.equal((await execution(node, id)).status, 'running');
      assert.equal(first.requests.length, 0);

      assert.equal((await turn('resume')).status, 200);
      await until(async () => (await execution(node, id)).status === 'succeeded');
    });
  }

  it('of everything holds all, and what is not there is not found', async () => {
    await using directory = await temporaryDirectory();
    await using upstream = await startUpstream();
    upstream.addImage('library/app', 'v1', [Buffer.from('x')]);
    const configuration = copying(upstream, { only: ['library/app'] });
    await using node = await startReplicatingNode(directory.path, 'node', configuration);
    const post = async (path: string) =>
      (await node.send({ method: 'POST', path: `${OWN}/${path}` })).status;

    assert.equal(await post('pause'), 200);
    const id = await start(node, 1);
    assert.equal((await execution(node, id)).status, 'running');
    assert.equal(await post('resume'), 200);
    await until(async () => (await execution(node, id)).status === 'succeeded');
    assert.equal(await post('policies/99/pause'), 404);
    assert.equal(await post('endpoints/nowhere/pause'), 404);
    const listed = await node.send({ path: `${OWN}/executions?q=status=succeeded,policy=1` });
    assert.deepEqual(z.array(Execution).parse(listed.json()), [await execution(node, id)]);
  });
});

async function execution(node: ReplicatingNode, id: number): Promise<z.infer<typeof Execution>> {
  return Execution.parse((await node.send({ path: `${OWN}/executions/${id}` })).json());
}

async function start(node: ReplicatingNode, policy: number): Promise<number> {
  const started = await node.send({
    method: 'POST',
    path: '/api/v2.0/replication/executions',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ policy_id: policy }),
  });
  assert.equal(started.status, 201, started.body.toString());
  return Number(String(started.headers.location).split('/').at(-1));
}

const jsonOf = (body: object) => ({
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
});

function copying(
  upstream: Upstream,
  policies: Readonly<Record<string, readonly string[]>>,
  name = 'first',
) {
  const destinations = [{ endpoint: 'local', namespace: 'copies' }];
  const rules = Object.entries(policies).map(([policy, repositories]): [string, object] => [
    policy,
    { source: name, destinations, repositories },
  ]);
  return {
    projects: { copies: {} },
    endpoints: { [name]: endpointAt(upstream.url) },
    policies: { replication: Object.fromEntries(rules) },
  };
}
