import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as channels from '../../src/telemetry/channels.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';

const FILL = { digest: `sha256:${'a'.repeat(64)}`, repository: 'docker.io/library/x' };
const UPSTREAM = { endpoint: 'docker.io', host: 'registry-1.docker.io', method: 'GET' };
const IDLE = {
  now: 0,
  lanes: [],
  oldestReady: undefined,
  backlogs: [],
  unread: { items: 0, since: undefined },
};
const jobs = async () => IDLE;
const storage = async () => ({ total: 1000, free: 400, used: 250 });

describe('/metrics', () => {
  it('counts hits and misses of the cache by upstream, and names no project', async () => {
    using metrics = createMetrics({ version: '1.2.3', storage, jobs });
    const fact = { project: 'secret', upstream: 'docker.io', kind: 'manifest' } as const;
    channels.cacheDecided.publish({ ...fact, outcome: 'miss' });
    channels.cacheDecided.publish({ ...fact, outcome: 'hit' });
    channels.cacheDecided.publish({ ...fact, outcome: 'hit' });

    const text = await metrics.text();

    const labels = 'upstream="docker.io",kind="manifest"';
    assert.match(text, line(`portolan_cache_decisions_total{${labels},outcome="hit"} 2`));
    assert.match(text, line(`portolan_cache_decisions_total{${labels},outcome="miss"} 1`));
    assert.doesNotMatch(text, /secret/);
  });

  it('follows fills: running, joined, resumed, interrupted, finished, aborted', async () => {
    using metrics = createMetrics({ version: '1.2.3', storage, jobs });
    const error = new Error('reset');
    channels.fillStarted.publish({ ...FILL, size: 10 });
    channels.fillJoined.publish(FILL);
    channels.fillJoined.publish(FILL);
    channels.fillInterrupted.publish({ ...FILL, receivedBytes: 4, error });
    channels.fillFinished.publish({ ...FILL, size: 10, durationMs: 5 });
    channels.fillResumed.publish({ ...FILL, size: 10, receivedBytes: 4 });
    channels.fillAborted.publish({ ...FILL, receivedBytes: 4, durationMs: 5, error });
    channels.fillStarted.publish({ ...FILL, size: 10 });

    const text = await metrics.text();

    for (const expected of [
      'portolan_fills_running 1',
      'portolan_fill_joins_total 2',
      'portolan_fill_interruptions_total 1',
      'portolan_fill_resumes_total 1',
      'portolan_fills_total{outcome="finished"} 1',
      'portolan_fills_total{outcome="aborted"} 1',
    ]) {
      assert.match(text, line(expected));
    }
  });

  it('shows each upstream: status by host, bytes, budget, circuit', async () => {
    using metrics = createMetrics({ version: '1.2.3', storage, jobs });
    channels.upstreamAnswered.publish({ ...UPSTREAM, status: 429, durationMs: 30 });
    channels.upstreamBytes.publish({ endpoint: 'docker.io', bytes: 100 });
    channels.upstreamBytes.publish({ endpoint: 'docker.io', bytes: 23 });
    channels.upstreamSent.publish({ endpoint: 'docker.io', bytes: 7 });
    channels.budgetSeen.publish({ endpoint: 'docker.io', remaining: 76, limit: 100 });
    channels.circuitChanged.publish({ host: 'ghcr.io', state: 'open' });

    const text = await metrics.text();

    for (const expected of [
      'portolan_upstream_answers_total{host="registry-1.docker.io",status="429"} 1',
      'portolan_upstream_received_bytes_total{endpoint="docker.io"} 123',
      'portolan_upstream_sent_bytes_total{endpoint="docker.io"} 7',
      'portolan_upstream_budget_remaining{endpoint="docker.io"} 76',
      'portolan_upstream_budget_limit{endpoint="docker.io"} 100',
      'portolan_upstream_circuit_open{host="ghcr.io"} 1',
    ]) {
      assert.match(text, line(expected));
    }
  });

  it('keeps the number of hosts bounded', async () => {
    using metrics = createMetrics({ version: '1.2.3', storage, jobs });
    for (let host = 0; host < 1_000; host++) {
      channels.upstreamAnswered.publish({
        ...UPSTREAM,
        host: `cdn-${host}.example`,
        status: 200,
        durationMs: 1,
      });
    }

    const text = await metrics.text();

    assert.equal(text.match(/^portolan_upstream_answers_total\{/gm)?.length, 201);
    assert.match(text, line('portolan_upstream_answers_total{host="other",status="200"} 800'));
  });

  it('has latency by route, storage, the lag of the event loop, and the version', async () => {
    using metrics = createMetrics({ version: '1.2.3', storage, jobs });
    channels.requestFinished.publish({
      id: 'r',
      method: 'GET',
      path: '/v2/team/app/manifests/latest',
      route: 'manifest',
      status: 404,
      sentBytes: 90,
      durationMs: 3,
      clientAddress: '192.0.2.7',
    });

    const text = await metrics.text();

    for (const expected of [
      'portolan_request_duration_seconds_bucket{le="0.005",route="manifest",status="4xx"} 1',
      'portolan_request_duration_seconds_count{route="manifest",status="4xx"} 1',
      'portolan_request_sent_bytes_total{route="manifest"} 90',
      'portolan_storage_total_bytes 1000',
      'portolan_storage_free_bytes 400',
      'portolan_storage_used_bytes 250',
      'portolan_info{version="1.2.3"} 1',
    ]) {
      assert.match(text, line(expected));
    }
    assert.match(text, /^portolan_nodejs_eventloop_lag_seconds \d/m);
    assert.doesNotMatch(text, /team\/app/);
  });

  it('stops counting once it is disposed', () => {
    const metrics = createMetrics({ version: '1.2.3', storage, jobs });
    assert.equal(channels.cacheDecided.hasSubscribers, true);

    metrics[Symbol.dispose]();

    assert.equal(channels.cacheDecided.hasSubscribers, false);
  });
});

function line(text: string): RegExp {
  return new RegExp(`^${RegExp.escape(text)}$`, 'm');
}
