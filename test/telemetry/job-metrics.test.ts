import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { executionFinished, jobHostChanged, taskFinished } from '../../src/telemetry/channels.ts';
import type { JobFacts } from '../../src/telemetry/job-metrics.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';

const NOW = 1_000_000;
const IDLE: JobFacts = {
  now: NOW,
  lanes: [],
  oldestReady: undefined,
  backlogs: [],
  unread: { items: 0, since: undefined },
};
const FINISHED = {
  task: 1,
  execution: 1,
  queue: 'replication:1',
  kind: 'copy-blob',
  hosts: ['hub.example', 'site.example'],
  resource: 'secret/app',
  attempt: 1,
  bytes: 10,
  durationMs: 1,
} as const;

describe('what is done in the background, in /metrics', () => {
  it('is what waits and runs, by policy and link, and how old it is', async () => {
    const facts = {
      now: NOW,
      lanes: [{ queue: 'replication:1', hosts: ['hub.example'], ready: 7, running: 2 }],
      oldestReady: NOW - 30_000,
      backlogs: [{ queue: 'replication:1', tasks: 12, since: NOW - 60_000 }],
      unread: { items: 3, since: NOW - 1_500 },
    };
    let told: JobFacts = facts;
    using metrics = metricsOf(() => told);

    const busy = await metrics.text();
    told = IDLE;
    const idle = await metrics.text();

    const labels = '{queue="replication:1",link="hub.example"}';
    assert.deepEqual(linesIn(busy), [
      'portolan_lag_seconds{queue="replication:1"} 60',
      'portolan_lag_tasks{queue="replication:1"} 12',
      'portolan_lag_unread 3',
      'portolan_lag_unread_seconds 1.5',
      'portolan_tasks_oldest_ready_seconds 30',
      `portolan_tasks_ready${labels} 7`,
      `portolan_tasks_running${labels} 2`,
    ]);
    assert.deepEqual(linesIn(idle), [
      'portolan_lag_unread 0',
      'portolan_lag_unread_seconds 0',
      'portolan_tasks_oldest_ready_seconds 0',
    ]);
  });

  it('is what ended, by outcome, and what was moved; and no repository is named', async () => {
    using metrics = metricsOf(() => IDLE);
    for (const outcome of ['succeeded', 'succeeded', 'failed', 'delayed'] as const) {
      taskFinished.publish({ ...FINISHED, outcome });
    }
    executionFinished.publish({
      execution: 1,
      kind: 'replication',
      queue: 'replication:1',
      trigger: 'manual',
      status: 'failed',
      tasks: 3,
      failed: 1,
      bytes: 40,
      durationMs: 5,
    });

    const text = await metrics.text();

    const labels = 'queue="replication:1",link="hub.example site.example"';
    for (const expected of [
      `portolan_tasks_total{${labels},outcome="succeeded"} 2`,
      `portolan_tasks_total{${labels},outcome="failed"} 1`,
      `portolan_tasks_total{${labels},outcome="delayed"} 1`,
      `portolan_task_bytes_total{${labels}} 40`,
      'portolan_executions_total{queue="replication:1",status="failed"} 1',
    ]) {
      assert.ok(text.includes(`${expected}\n`), expected);
    }
    assert.doesNotMatch(text, /secret/);
  });

  it('counts each second once for which a host asked to be left alone', async () => {
    using metrics = metricsOf(() => IDLE);
    const until = Date.now() + 60_000;
    jobHostChanged.publish({ host: 'hub.example', state: 'blocked', until });
    jobHostChanged.publish({ host: 'hub.example', state: 'blocked', until: until + 30_000 });
    jobHostChanged.publish({ host: 'hub.example', state: 'failing', until: until + 90_000 });

    const text = await metrics.text();

    const [, seconds = ''] = /throttled_seconds_total\{host="hub.example"\} (\S+)/.exec(text) ?? [];
    assert.ok(Number(seconds) > 85 && Number(seconds) <= 90, seconds);
  });

  it('names some hundred policies and links, and all others as one', async () => {
    const lanes = Array.from({ length: 5_000 }, (_, n) => ({
      queue: `replication:${n}`,
      hosts: [`host-${n}`],
      ready: 1,
      running: 0,
    }));
    using metrics = metricsOf(() => ({ ...IDLE, lanes }));
    for (const { queue, hosts } of lanes) {
      taskFinished.publish({ ...FINISHED, queue, hosts, outcome: 'failed' });
    }

    const text = await metrics.text();

    const ready = text.split('\n').filter((line) => line.startsWith('portolan_tasks_ready{'));
    assert.equal(ready.length, 201);
    assert.ok(text.includes('portolan_tasks_ready{queue="other",link="other"} 4800\n'));
    assert.ok(text.split('\n').length < 1_500);
  });
});

const storage = async () => ({ total: 1000, free: 400, used: 250 });

function metricsOf(jobs: () => JobFacts) {
  return createMetrics({ version: '1.2.3', storage, jobs: async () => jobs() });
}

/** Of what is read at a scrape. */
function linesIn(text: string): readonly string[] {
  return text
    .split('\n')
    .filter((line) => /^portolan_(?:lag|tasks)_(?!total)/.test(line))
    .toSorted();
}
