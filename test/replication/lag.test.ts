import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { until } from '../support/until.ts';
import { startUpstream, type Upstream } from '../support/upstream.ts';
import { ADMINS, endpointAt, type ReplicatingNode, startReplicatingNode } from './support/nodes.ts';
import { push } from './support/push.ts';

const OWN = '/api/portolan/v1/replication';
const WITHIN = { withinMs: 20_000 };

const Lag = z.strictObject({
  artifacts: z.int(),
  unread: z.int(),
  bytes: z.int(),
  tasks: z.int(),
  seconds: z.number().optional(),
  lastSuccessAt: z.iso.datetime().optional(),
});

describe('how far a policy is behind', () => {
  it('is what was pushed and is not there yet, and for how long', async () => {
    await using directory = await temporaryDirectory();
    await using there = await startReplicatingNode(directory.path, 'there', {
      projects: { team: {} },
    });
    await using here = await startReplicatingNode(directory.path, 'here', {
      projects: { team: {} },
      endpoints: { there: endpointAt(there.url, ADMINS) },
      policies: {
        replication: {
          onward: {
            source: 'local',
            destinations: [{ endpoint: 'there' }],
            repositories: ['team/**'],
            tags: ['v*'],
            trigger: { event: 'push' },
          },
        },
      },
    });
    const none = { artifacts: 0, unread: 0, bytes: 0, tasks: 0, seconds: 0 };
    assert.deepEqual(await lagOf(here), none);
    await post(here, `${OWN}/policies/1/pause`);

    await push(here, 'team/app', 'v1');
    await push(here, 'team/app', 'v2');
    await until(async () => (await lagOf(here)).unread === 0, WITHIN);
    const { artifacts, seconds } = await lagOf(here);
    const metrics = (await here.send({ path: '/metrics' })).body.toString();

    assert.equal(artifacts, 2);
    assert.ok(seconds !== undefined && seconds > 0 && seconds < 60, `${seconds} s`);
    assert.match(metrics, /^portolan_lag_tasks\{queue="replication:1"\} 2$/m);
    await post(here, `${OWN}/policies/1/resume`);
    await until(async () => (await lagOf(here)).tasks === 0, WITHIN);
    assert.deepEqual(await lagOf(here), none);
    assert.deepEqual(await there.tags('team/app'), ['v1', 'v2']);
  });

  it('is in bytes what is left of the blobs that are known to be missing', async () => {
    await using directory = await temporaryDirectory();
    await using upstream = await startUpstream();
    const bytes = 7 * 2 ** 20;
    const { layers } = upstream.addImage('library/app', 'v1', [Buffer.alloc(bytes)]);
    const { promise: allowed, resolve: allow } = Promise.withResolvers<void>();
    upstream.behave(
      { method: 'GET', path: new RegExp(layers[0]?.digest ?? '-') },
      { hold: allowed },
    );
    await using node = await startReplicatingNode(directory.path, 'node', fromUpstream(upstream));

    const execution = await node.start(1);

    await until(async () => (await lagOf(node)).bytes === bytes, WITHIN);
    allow();
    assert.equal((await node.ended(execution)).status, 'Succeed');
    assert.equal((await lagOf(node)).bytes, 0);
  });

  it('is, of one that runs by itself or by hand, since its last success', async () => {
    await using directory = await temporaryDirectory();
    await using upstream = await startUpstream();
    upstream.addImage('library/app', 'v1', [Buffer.from('layer')]);
    await using node = await startReplicatingNode(directory.path, 'node', fromUpstream(upstream));
    assert.equal((await lagOf(node)).seconds, undefined);
    const before = Date.now();

    await node.run(1);

    const { seconds, lastSuccessAt, ...rest } = await lagOf(node);
    assert.deepEqual(rest, { artifacts: 0, unread: 0, bytes: 0, tasks: 0 });
    assert.ok(Date.parse(lastSuccessAt ?? '') >= before - 1);
    assert.ok(seconds !== undefined && seconds < 60);
    assert.equal((await node.send({ path: `${OWN}/policies/99/lag` })).status, 404);
  });
});

const fromUpstream = ({ url }: Upstream) => ({
  projects: { copies: {} },
  endpoints: { up: endpointAt(url) },
  policies: {
    replication: {
      copy: {
        source: 'up',
        destinations: [{ endpoint: 'local', namespace: 'copies' }],
        repositories: ['library/app'],
      },
    },
  },
});

async function lagOf(node: ReplicatingNode): Promise<z.infer<typeof Lag>> {
  const answer = await node.send({ path: `${OWN}/policies/1/lag` });
  assert.equal(answer.status, 200, answer.body.toString());
  return Lag.parse(answer.json());
}

async function post(node: ReplicatingNode, path: string): Promise<void> {
  assert.equal((await node.send({ method: 'POST', path })).status, 200);
}
