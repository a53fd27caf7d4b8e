import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import {
  endpointAt,
  type ReplicatingNode,
  startReplicatingNode,
} from '../replication/support/nodes.ts';
import { push, tryPush } from '../replication/support/push.ts';
import { portolan, type Ran } from '../support/portolan.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { until } from '../support/until.ts';
import { startUpstream, type Upstream } from '../support/upstream.ts';

const POLICIES = {
  nightly: {
    source: 'up',
    destinations: [{ endpoint: 'local', namespace: 'copies' }],
    repositories: ['library/*'],
    overlap: 'skip',
  },
  onward: {
    source: 'local',
    destinations: [{ endpoint: 'up' }],
    repositories: ['team/**'],
    trigger: { event: 'push' },
  },
  awaited: {
    source: 'local',
    destinations: [{ endpoint: 'up' }],
    repositories: ['slow/**'],
    trigger: { event: 'push', wait: '30s' },
  },
};
const NIGHTLY = Object.keys(POLICIES).indexOf('nightly') + 1;
const LAYER = Buffer.from('lost');

/** Commands start slowly on a busy machine. */
const WITHIN = { withinMs: 20_000 };

describe('portolan policies retry', { timeout: 300_000 }, () => {
  it('does again what failed in the last run, whatever dry runs came after it', async () => {
    await using world = await openWorld();
    loseLayer(world.upstream);
    const none = await world.run(['policies', 'retry', 'nightly']);
    assert.equal(none.code, 1);
    assert.match(none.stderr, /^portolan: nothing of nightly failed$/m);
    assert.equal((await world.run(['policies', 'start', 'nightly', '--wait'])).code, 1);
    world.upstream.addBlob('library/app', LAYER);
    assert.equal((await world.run(['policies', 'start', 'nightly', '--dry-run'])).code, 0);
    world.upstream.behave({ path: /_catalog/ }, { status: 403 });
    assert.equal((await world.run(['policies', 'start', 'nightly', '--dry-run'])).code, 1);
    world.upstream.recover();

    const again = await world.run(['policies', 'retry', 'nightly', '--wait']);

    assert.equal(again.code, 0, again.stderr);
    assert.match(again.stdout, /^Execution 1 of nightly succeeded/m);
    assert.deepEqual(await world.node.tags('copies/library/app'), ['v1']);
  });

  it('does again what failed in the last run, whatever was skipped while it ran', async () => {
    await using world = await openWorld();
    const { node, upstream } = world;
    loseLayer(upstream);
    const { promise: goes, resolve: go } = Promise.withResolvers<void>();
    upstream.behave({ path: /tags\/list/ }, { hold: goes });
    const first = await node.start(NIGHTLY);
    const skipped = await node.run(NIGHTLY);
    assert.match(await node.log(skipped.id), /skipped: an execution of the policy is still/);
    go();
    assert.equal((await node.ended(first)).status, 'Failed');
    upstream.addBlob('library/app', LAYER);

    const again = await world.run(['policies', 'retry', 'nightly', '--wait']);

    assert.equal(again.code, 0, again.stderr);
    assert.match(again.stdout, new RegExp(`^Execution ${first} of nightly succeeded`, 'm'));
    assert.deepEqual(await node.tags('copies/library/app'), ['v1']);
  });

  it('does a run again that has one task, which failed and was not skipped', async () => {
    await using world = await openWorld();
    const { node, upstream } = world;
    upstream.addImage('library/app', 'v1', [LAYER]);
    upstream.behave({ path: /_catalog/ }, { status: 403 });
    const { id } = await node.run(NIGHTLY);
    const { stdout } = await world.run(['executions', 'show', `${id}`, '--json']);
    assert.partialDeepStrictEqual(JSON.parse(stdout), { total: 1, failures: [{ kind: 'expand' }] });
    upstream.recover();

    const again = await world.run(['policies', 'retry', 'nightly', '--wait']);

    assert.equal(again.code, 0, again.stderr);
    assert.match(again.stdout, new RegExp(`^Execution ${id} of nightly succeeded`, 'm'));
    assert.deepEqual(await node.tags('copies/library/app'), ['v1']);
  });

  it('does again the newest that failed of those that events started', async () => {
    await using world = await openWorld();
    const { node, upstream } = world;
    upstream.behave({ method: 'PUT', path: /manifests\/v[12]/ }, { status: 403 });
    for (const [index, tag] of ['v1', 'v2', 'v3'].entries()) {
      await push(node, 'team/app', tag);
      await until(async () => (await world.over()) === index + 1, WITHIN);
    }
    upstream.recover();

    const newest = await world.run(['policies', 'retry', 'onward', '--wait']);

    assert.match(newest.stdout, /^Execution 2 of onward succeeded/m);
    assert.deepEqual(tagsAt(upstream), [false, true, true]);
    const before = await world.run(['policies', 'retry', 'onward', '--wait']);
    assert.match(before.stdout, /^Execution 1 of onward succeeded/m);
    assert.deepEqual(tagsAt(upstream), [true, true, true]);
    const none = await world.run(['policies', 'retry', 'onward']);
    assert.deepEqual([none.code, none.stderr], [1, 'portolan: nothing of onward failed\n']);
  });

  it('does no event again from before a run, which had what it was about', async () => {
    await using world = await openWorld();
    const { node, upstream } = world;
    upstream.behave({ method: 'PUT', path: /manifests/ }, { status: 403 });
    await push(node, 'team/app', 'v1');
    await until(async () => (await world.over()) === 1, WITHIN);
    upstream.recover();
    const run = await world.run(['policies', 'start', 'onward', '--wait']);
    assert.equal(run.code, 0, run.stderr);

    const again = await world.run(['policies', 'retry', 'onward', '--json']);

    assert.deepEqual(JSON.parse(again.stdout), { id: 2, retried: 0 });
  });

  it('does again what a push waited for in vain', async () => {
    await using world = await openWorld();
    const { node, upstream } = world;
    upstream.behave({ method: 'PUT', path: /manifests\/v1/ }, { status: 403 });
    const { answer, digest } = await tryPush(node, 'slow/app', 'v1');
    assert.equal(answer.status, 502, answer.body.toString());
    await push(node, 'slow/app', 'v2');
    upstream.recover();

    const again = await world.run(['policies', 'retry', 'awaited', '--wait']);

    assert.equal(again.code, 0, again.stderr);
    assert.match(again.stdout, /^Execution 1 of awaited succeeded/m);
    assert.equal(upstream.tagged('slow/app', 'v1'), digest);
  });
});

/** Whose image cannot be copied until it is added again. */
function loseLayer(upstream: Upstream): void {
  const { layers } = upstream.addImage('library/app', 'v1', [LAYER]);
  upstream.remove('library/app', layers[0]?.digest ?? '');
}

const tagsAt = (upstream: Upstream): readonly boolean[] =>
  ['v1', 'v2', 'v3'].map((tag) => upstream.tagged('team/app', tag) !== undefined);

interface World extends AsyncDisposable {
  readonly upstream: Upstream;
  readonly node: ReplicatingNode;
  run(words: readonly string[]): Promise<Ran>;
  /** Executions that are over. */
  over(): Promise<number>;
}

async function openWorld(): Promise<World> {
  await using opened = new AsyncDisposableStack();
  const { path: folder } = opened.use(await temporaryDirectory());
  const upstream = opened.use(await startUpstream());
  const node = opened.use(
    await startReplicatingNode(folder, 'node', {
      projects: { copies: {}, team: {}, slow: {} },
      endpoints: { up: endpointAt(upstream.url) },
      policies: { replication: POLICIES },
    }),
  );
  const env = { PORTOLAN_PASSWORD: 'password-of-the-admin' };
  const resources = opened.move();
  return {
    upstream,
    node,
    run: (words) => portolan([...words, '--node', node.url], { env }),
    async over() {
      const { body } = await node.send({ path: '/api/portolan/v1/replication/executions' });
      const listed = z.array(z.object({ live: z.int() })).parse(JSON.parse(body.toString()));
      return listed.filter(({ live }) => live === 0).length;
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}
