import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { type ApiNode, startApiNode } from './support/node.ts';

const Queues = z.tuple([
  z.object({
    job_type: z.literal('REPLICATION'),
    count: z.int(),
    latency: z.int(),
    paused: z.boolean(),
  }),
]);

/** Ids of a policy that runs each night, and of an execution of it that nobody works on. */
async function withExecution(node: ApiNode): Promise<{ policy: number; execution: string }> {
  const registry = { name: 'lab', type: 'docker-registry', url: 'http://lab.example' };
  const lab = Number((await node.create('/registries', registry)).split('/').at(-1));
  const path = await node.create('/replication/policies', {
    name: 'nightly',
    src_registry: { id: lab },
    dest_namespace: 'mirror',
    trigger: { type: 'scheduled', trigger_settings: { cron: '0 0 2 * * *' } },
    enabled: true,
  });
  const policy = Number(path.split('/').at(-1));
  const execution = await node.create('/replication/executions', { policy_id: policy });
  return { policy, execution };
}

describe('the job service', () => {
  it('tells when policies run', async () => {
    await using node = await startApiNode();
    const { policy } = await withExecution(node);

    const answer = await node.call('GET /schedules');

    assert.equal(answer.headers['x-total-count'], '1');
    const [schedule] = z.tuple([z.looseObject({})]).parse(answer.json());
    const { update_time: _updated, ...rest } = schedule;
    assert.deepEqual(rest, {
      id: policy,
      vendor_type: 'REPLICATION',
      vendor_id: policy,
      cron: '0 0 2 * * *',
    });
    assert.deepEqual((await node.call('GET /schedules?page=2')).json(), []);
  });

  it('tells what waits, pauses and resumes it, and stops it', async () => {
    await using node = await startApiNode();
    const { execution } = await withExecution(node);
    const queue = async () => Queues.parse((await node.call('GET /jobservice/queues')).json())[0];
    const act = async (action: string, type = 'REPLICATION') =>
      (await node.call(`PUT /jobservice/queues/${type}`, { action })).status;
    const isPaused = async () => (await node.call('GET /schedules/all/paused')).json();

    assert.deepEqual(await queue(), {
      job_type: 'REPLICATION',
      count: 1,
      latency: 0,
      paused: false,
    });
    assert.equal(await act('pause'), 200);
    assert.equal((await queue()).paused, true);
    assert.deepEqual(await isPaused(), { paused: true });
    assert.equal(await act('resume', 'all'), 200);
    assert.deepEqual(await isPaused(), { paused: false });
    assert.equal(await act('stop'), 200);
    assert.equal((await queue()).count, 0);
    const { status } = z
      .object({ status: z.string() })
      .parse((await node.call(`GET ${execution}`)).json());
    assert.equal(status, 'Stopped');
    assert.equal(await act('pause', 'GARBAGE_COLLECTION'), 404);
    assert.equal(await act('burn'), 400);
  });

  it('tells who works', async () => {
    await using node = await startApiNode();
    const [pool] = z
      .tuple([z.object({ worker_pool_id: z.string(), pid: z.int(), concurrency: z.int() })])
      .parse((await node.call('GET /jobservice/pools')).json());
    assert.equal(pool.pid, process.pid);

    for (const id of [pool.worker_pool_id, 'all']) {
      const answer = await node.call(`GET /jobservice/pools/${id}/workers`);
      const workers = z.array(z.looseObject({ job_id: z.string() })).parse(answer.json());
      assert.equal(workers.length, pool.concurrency);
      assert.deepEqual([...new Set(workers.map((worker) => worker.job_id))], ['']);
    }
    assert.equal((await node.call('GET /jobservice/pools/other/workers')).status, 404);
    assert.equal((await node.call('GET /jobservice/jobs/1/log')).status, 404);
    const guest = await node.call('GET /jobservice/pools', undefined, 'guest:pw');
    assert.equal(guest.status, 403);
  });

  it('stops what a job is a part of, and knows no other', async () => {
    await using node = await startApiNode();
    const { execution } = await withExecution(node);
    const stop = async (job: string) => (await node.call(`PUT /jobservice/jobs/${job}`)).status;
    const status = async () =>
      z.object({ status: z.string() }).parse((await node.call(`GET ${execution}`)).json()).status;

    assert.equal(await stop('999'), 404);
    assert.equal(await status(), 'InProgress');
    assert.equal(await stop('1'), 200);
    assert.equal(await status(), 'Stopped');
  });
});
