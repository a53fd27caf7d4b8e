import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { startUpstream, type Upstream } from '../support/upstream.ts';
import { endpointAt, startReplicatingNode } from './support/nodes.ts';

const MINUTE_MS = 60_000;
const APP = 'library/app';
const PULLED = { method: 'GET', path: /manifests/ } as const;

describe('a policy whose source has few pulls left', () => {
  it('waits, and costs no attempt, while clients pull; and goes on once more are left', async () => {
    await using world = await openWorld();
    const { node, from } = world;
    says(from, 20);

    const execution = await node.start(1);
    await node.untilLogged(execution, /20 more, and 20 are reserved/);

    assert.equal(from.count(PULLED), 0);
    // Neither a client nor what another credential pulls waits for it.
    assert.equal((await node.run(2)).status, 'Succeed');
    const pulled = await node.send({ path: `/v2/hub/${APP}/manifests/v1` });
    assert.equal(pulled.status, 200);
    says(from, 100);
    world.clock.ms += 5 * MINUTE_MS;
    const { status } = await node.ended(execution);
    assert.equal(status, 'Succeed', await node.log(execution));
    assert.ok(world.to.tagged(`copied/${APP}`, 'v1'));
    const tasks = `/api/portolan/v1/replication/executions/${execution}/tasks`;
    const attempts = Tasks.parse((await node.send({ path: tasks })).json());
    assert.deepEqual(new Set(attempts.map((task) => task.attempts)), new Set([1]));
  });
});

const Tasks = z.array(z.object({ attempts: z.int() }));

const rulesTo = (namespace: string) => {
  return { destinations: [{ endpoint: 'to', namespace }], repositories: [APP] };
};

/** With every answer from now on. */
function says(upstream: Upstream, left: number): void {
  upstream.recover();
  upstream.behave({}, { headers: { 'ratelimit-remaining': `${left};w=21600` } });
}

async function openWorld() {
  await using opened = new AsyncDisposableStack();
  const directory = opened.use(await temporaryDirectory());
  const from = opened.use(await startUpstream());
  const to = opened.use(await startUpstream());
  const clock = { ms: 0 };
  from.addImage(APP, 'v1', [Buffer.from('layer')]);
  const node = opened.use(
    await startReplicatingNode(
      directory.path,
      'node',
      {
        endpoints: {
          from: endpointAt(from.url, { reservedPulls: 20 }),
          paid: endpointAt(from.url),
          to: endpointAt(to.url),
        },
        projects: {
          hub: { public: true, proxy: { endpoints: ['from'], upstreamHost: 'hub.example' } },
        },
        policies: {
          replication: {
            copying: { ...rulesTo('copied'), source: 'from' },
            paying: { ...rulesTo('paid'), source: 'paid' },
          },
        },
      },
      () => Date.now() + clock.ms,
    ),
  );
  const resources = opened.move();
  return { clock, from, to, node, [Symbol.asyncDispose]: () => resources.disposeAsync() };
}
