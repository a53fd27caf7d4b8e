import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { startNode } from './support/node.ts';

describe('what those who run the node ask', () => {
  it('is answered to anybody, on mirrors too', async () => {
    await using node = await startNode({ app: { mirror: 'docker.io' } });

    const alive = await node.send({ path: '/healthz' });
    const ready = await node.send({ path: '/readyz' });
    const metrics = await node.send({ path: '/metrics' });

    assert.equal(alive.status, 200);
    assert.equal(ready.status, 200);
    assert.deepEqual(ready.json(), { ready: true, checks: {} });
    assert.equal(metrics.headers['content-type'], 'text/plain; version=0.0.4');
    assert.equal(metrics.body.toString(), 'portolan_info 1\n');
  });

  it('is 503 with the reasons while the node is not ready, which it is alive all the same', async () => {
    const checks = { database: 'ok', storage: 'failed (StorageFull)' };
    await using node = await startNode({
      ports: ({ operations }) => ({
        operations: { ...operations, readiness: async () => ({ isReady: false, checks }) },
      }),
    });

    const alive = await node.send({ path: '/healthz' });
    const ready = await node.send({ path: '/readyz' });

    assert.equal(alive.status, 200);
    assert.equal(ready.status, 503);
    assert.deepEqual(ready.json(), { ready: false, checks });
  });
});
