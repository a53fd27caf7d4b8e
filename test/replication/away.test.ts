import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { type RequestPattern, startUpstream, type Upstream } from '../support/upstream.ts';
import { endpointAt, type ReplicatingNode, startReplicatingNode } from './support/nodes.ts';

const APP = 'library/app';
const AWAY = { status: 503, headers: { 'retry-after': '1' } };
/** A request is made three times, a second apart, before its task is told. */
const TIMES = 3;

describe('a registry that answers 503', () => {
  const answers: readonly { readonly of: 'from' | 'to'; readonly when: RequestPattern }[] = [
    { of: 'from', when: { path: /tags\/list/ } },
    { of: 'from', when: { path: /manifests\/v1/ } },
    { of: 'to', when: { method: 'HEAD', path: /manifests\/v1/ } },
    { of: 'to', when: { method: 'PUT', path: /manifests\/v1/ } },
  ];
  for (const { of, when } of answers) {
    it(`to ${when.method ?? 'GET'} ${when.path?.source} is asked again when it said, and no attempt counts`, async () => {
      await using world = await openWorld();
      world[of].behave({ ...when, times: TIMES }, AWAY);

      const execution = await world.node.run(1);

      assert.equal(execution.status, 'Succeed', await world.node.log(execution.id));
      assert.ok(world.to.tagged(APP, 'v1'));
      const tasks = await tasksOf(world.node, execution.id);
      const told = tasks.flatMap(({ log }) => log.match(/attempt .*it answered 503/g) ?? []);
      assert.deepEqual([told.length, told[0]?.slice(0, 10)], [1, 'attempt 1:'], told.join('\n'));
      assert.deepEqual(new Set(tasks.map(({ attempts }) => attempts)), new Set([1]));
    });
  }

  it('for longer than we have patience makes fail what waits for it, which says so', async () => {
    await using world = await openWorld({ jobs: { giveUpAfter: '3s' } });
    world.to.behave({}, AWAY);

    const execution = await world.node.run(1);

    assert.equal(execution.status, 'Failed');
    assert.match(await reasonsOf(world.node, execution.id), / since 20.*it answered 503/);
  });

  it('for one blob alone keeps nothing else from it, and fails what needs that one', async () => {
    await using world = await openWorld({ jobs: { giveUpAfter: '3s' } });
    const { layers } = world.from.addImage(APP, 'v2', [Buffer.from('broken')]);
    world.from.behave({ path: new RegExp(`blobs/${layers[0]?.digest}`) }, AWAY);

    const execution = await world.node.run(1);

    assert.equal(execution.status, 'Failed');
    assert.ok(world.to.tagged(APP, 'v1'));
    assert.equal(world.to.tagged(APP, 'v2'), undefined);
    assert.match(await reasonsOf(world.node, execution.id), / since 20.*it answered 503/);
  });
});

async function openWorld(more: Readonly<Record<string, unknown>> = {}) {
  await using opened = new AsyncDisposableStack();
  const directory = opened.use(await temporaryDirectory());
  const from: Upstream = opened.use(await startUpstream());
  const to: Upstream = opened.use(await startUpstream());
  from.addImage(APP, 'v1', [Buffer.from('layer')]);
  const node = opened.use(
    await startReplicatingNode(directory.path, 'node', {
      endpoints: { from: endpointAt(from.url), to: endpointAt(to.url) },
      policies: {
        replication: {
          copying: {
            source: 'from',
            destinations: [{ endpoint: 'to' }],
            repositories: [APP],
          },
        },
      },
      ...more,
    }),
  );
  const resources = opened.move();
  return { from, to, node, [Symbol.asyncDispose]: () => resources.disposeAsync() };
}

const Tasks = z.array(z.object({ id: z.int(), attempts: z.int(), reason: z.string().nullish() }));

async function tasksOf(node: ReplicatingNode, execution: number) {
  const path = `/api/portolan/v1/replication/executions/${execution}/tasks`;
  const tasks = Tasks.parse((await node.send({ path })).json());
  return Promise.all(
    tasks.map(async (task) => {
      const { body } = await node.send({ path: `${path}/${task.id}/log` });
      return { ...task, log: body.toString() };
    }),
  );
}

async function reasonsOf(node: ReplicatingNode, execution: number): Promise<string> {
  return (await tasksOf(node, execution)).map(({ reason }) => reason ?? '').join('\n');
}
