/**
 * Facts as Prometheus metrics. Labels are few and bounded: hosts and endpoints, never repositories. No label names a
 * project: nobody signs in to read this, and the names of private ones are not everybody's business.
 */
import type { Registry } from 'prom-client';
import * as channels from './channels.ts';
import { countTasks } from './job-metrics.ts';
import { bounded, Meters } from './meters.ts';

export function countFacts(registers: Registry[]): Disposable {
  const listening = new DisposableStack();
  const meters = new Meters(registers, listening);
  countRequests(meters);
  countCache(meters);
  countFills(meters);
  countUpstream(meters);
  countStorage(meters);
  countTasks(meters);
  return listening;
}

function countRequests(meters: Meters): void {
  const duration = meters.histogram(
    'request_duration_seconds',
    'How long requests took, from their head to the last byte of the answer.',
    ['route', 'status'],
  );
  const sent = meters.counter('request_sent_bytes_total', 'Bytes of bodies sent.', ['route']);
  // Looking a label up costs more than counting: one child for each route and class of status.
  const children = new Map<string, { observe(value: number): void }>();
  meters.on(channels.requestFinished, ({ route, status, durationMs, sentBytes }) => {
    const statusClass = `${Math.floor(status / 100)}xx`;
    const key = `${route} ${statusClass}`;
    let child = children.get(key);
    if (child === undefined) {
      child = duration.labels({ route, status: statusClass });
      children.set(key, child);
    }
    child.observe(durationMs / 1000);
    if (sentBytes > 0) sent.inc({ route }, sentBytes);
  });

  const refused = meters.counter('authentication_failures_total', 'Logins that were refused.');
  meters.on(channels.authenticationFailed, () => refused.inc());
}

function countCache(meters: Meters): void {
  const decisions = meters.counter(
    'cache_decisions_total',
    'Pulls through a proxy project by what the cache said: hit, miss, stale, revalidated, negative.',
    ['upstream', 'kind', 'outcome'],
  );
  meters.on(channels.cacheDecided, ({ upstream, kind, outcome }) =>
    decisions.inc({ upstream, kind, outcome }),
  );
}

function countFills(meters: Meters): void {
  const running = meters.gauge('fills_running', 'Blobs on their way from an upstream.');
  const ended = meters.counter('fills_total', 'Fills that ended, by outcome.', ['outcome']);
  const joined = meters.counter(
    'fill_joins_total',
    'Pulls that joined a blob which was on its way already.',
  );
  const resumed = meters.counter('fill_resumes_total', 'Fills that went on from what they had.');
  const interrupted = meters.counter('fill_interruptions_total', 'Breaks that fills went on from.');
  const passed = meters.counter(
    'blobs_passed_through_total',
    'Blobs that went to the client and could not be kept, by reason.',
    ['reason'],
  );
  meters.on(channels.fillStarted, () => running.inc());
  meters.on(channels.fillResumed, () => {
    running.inc();
    resumed.inc();
  });
  meters.on(channels.fillJoined, () => joined.inc());
  meters.on(channels.fillInterrupted, () => interrupted.inc());
  meters.on(channels.fillFinished, () => {
    running.dec();
    ended.inc({ outcome: 'finished' });
  });
  meters.on(channels.fillAborted, () => {
    running.dec();
    ended.inc({ outcome: 'aborted' });
  });
  meters.on(channels.fillParked, () => {
    running.dec();
    ended.inc({ outcome: 'parked' });
  });
  meters.on(channels.blobPassedThrough, ({ reason }) => passed.inc({ reason }));
}

function countUpstream(meters: Meters): void {
  const hostOf = bounded();
  const answers = meters.counter('upstream_answers_total', 'Answers of upstreams, by status.', [
    'host',
    'status',
  ]);
  const waits = meters.histogram(
    'upstream_answer_seconds',
    'How long upstreams took to start their answer.',
    ['endpoint'],
  );
  meters.on(channels.upstreamAnswered, ({ endpoint, host, status, durationMs }) => {
    answers.inc({ host: hostOf(host), status: String(status) });
    waits.observe({ endpoint }, durationMs / 1000);
  });

  const failures = meters.counter('upstream_failures_total', 'Requests without an answer.', [
    'host',
    'reason',
  ]);
  meters.on(channels.upstreamFailed, ({ host, reason }) =>
    failures.inc({ host: hostOf(host), reason }),
  );

  const received = meters.counter('upstream_received_bytes_total', 'Bytes of bodies received.', [
    'endpoint',
  ]);
  meters.on(channels.upstreamBytes, ({ endpoint, bytes }) => received.inc({ endpoint }, bytes));

  const sent = meters.counter('upstream_sent_bytes_total', 'Bytes of blobs sent.', ['endpoint']);
  meters.on(channels.upstreamSent, ({ endpoint, bytes }) => sent.inc({ endpoint }, bytes));

  const remaining = meters.gauge(
    'upstream_budget_remaining',
    'Pulls that the upstream still allows.',
    ['endpoint'],
  );
  const limit = meters.gauge(
    'upstream_budget_limit',
    'Pulls that the upstream allows in its period.',
    ['endpoint'],
  );
  meters.on(channels.budgetSeen, (fact) => {
    remaining.set({ endpoint: fact.endpoint }, fact.remaining);
    if (fact.limit !== undefined) limit.set({ endpoint: fact.endpoint }, fact.limit);
  });

  const open = meters.gauge(
    'upstream_circuit_open',
    '1 while a host is not asked, since it failed.',
    ['host'],
  );
  meters.on(channels.circuitChanged, ({ host, state }) =>
    open.set({ host: hostOf(host) }, state === 'closed' ? 0 : 1),
  );
}

function countStorage(meters: Meters): void {
  const pushed = meters.counter('manifests_pushed_total', 'Manifests that clients pushed.');
  meters.on(channels.manifestPushed, () => pushed.inc());
  const started = meters.counter('uploads_started_total', 'Upload sessions that were opened.');
  meters.on(channels.uploadStarted, () => started.inc());
  const ended = meters.counter('uploads_total', 'Upload sessions that ended, by outcome.', [
    'outcome',
  ]);
  meters.on(channels.uploadEnded, ({ outcome }) => ended.inc({ outcome }));
  const blobs = meters.counter('blobs_evicted_total', 'Cached blobs that made room.');
  const bytes = meters.counter(
    'blobs_evicted_bytes_total',
    'Bytes of cached blobs that made room.',
  );
  meters.on(channels.evicted, (fact) => {
    blobs.inc();
    bytes.inc(fact.bytes);
  });
  const manifests = meters.counter(
    'manifests_evicted_total',
    'Cached manifests that nobody asked for any more.',
  );
  meters.on(channels.manifestEvicted, () => manifests.inc());
  const collected = meters.counter(
    'blobs_collected_bytes_total',
    'Bytes of blobs that left the disk.',
  );
  meters.on(channels.collected, (fact) => collected.inc(fact.bytes));
  const failed = meters.counter('maintenance_failures_total', 'Work on a timer that failed.', [
    'work',
  ]);
  meters.on(channels.maintenanceFailed, ({ work }) => failed.inc({ work }));
}
