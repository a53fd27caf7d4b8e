import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { digestOf } from '../../src/oci/digest.ts';
import { Breakers } from '../../src/registry/breaker.ts';
import { circuitChanged } from '../../src/telemetry/channels.ts';
import { connectPeer } from '../support/registry-peer.ts';
import { until } from '../support/until.ts';
import { startUpstream } from '../support/upstream.ts';

const H = new URL('https://h/v2/');
const OTHERS = ['https://other/', 'http://h/', 'https://h:5000/'];
const WHY = new Error('connection refused');
const OPEN = { name: 'UpstreamUnavailable', reason: 'circuit-open', cause: WHY };

function breakersAt(clock: { now: number }): Breakers {
  return new Breakers({ failures: 3, openMs: 1000 }, () => clock.now);
}

function fail(breakers: Breakers, times: number): void {
  for (let i = 0; i < times; i++) breakers.enter(H).failed(WHY);
}

describe('a host’s circuit', () => {
  it('opens after so many failures in a row, for that scheme, host and port alone', () => {
    const breakers = breakersAt({ now: 0 });

    fail(breakers, 3);

    assert.throws(() => breakers.enter(new URL('https://h/elsewhere')), OPEN);
    for (const url of OTHERS) breakers.enter(new URL(url)).succeeded();
  });

  it('counts failures that began together', () => {
    const breakers = breakersAt({ now: 0 });
    const passages = [1, 2, 3].map(() => breakers.enter(H));

    for (const passage of passages) passage.failed(WHY);

    assert.throws(() => breakers.enter(H), OPEN);
  });

  it('stays closed while any request between succeeds', () => {
    const breakers = breakersAt({ now: 0 });

    fail(breakers, 2);
    breakers.enter(H).succeeded();
    fail(breakers, 2);

    breakers.enter(H).abandoned();
    breakers.enter(H).succeeded();
  });

  it('lets one request try after a time, and closes when it succeeds', () => {
    const clock = { now: 0 };
    const breakers = breakersAt(clock);
    fail(breakers, 3);

    clock.now = 1000;
    const probe = breakers.enter(H);
    assert.throws(() => breakers.enter(H), OPEN);
    probe.succeeded();

    breakers.enter(H).succeeded();
  });

  it('opens again when the probe fails, and probes at once when it was given up', () => {
    const clock = { now: 0 };
    const breakers = breakersAt(clock);
    fail(breakers, 3);

    clock.now = 1000;
    breakers.enter(H).abandoned();
    breakers.enter(H).failed(WHY);
    clock.now = 1999;
    assert.throws(() => breakers.enter(H), OPEN);
    clock.now = 2000;
    breakers.enter(H).succeeded();
  });

  it('is not kept open longer by requests that began before', () => {
    const clock = { now: 0 };
    const breakers = breakersAt(clock);
    const late = breakers.enter(H);
    fail(breakers, 3);

    clock.now = 999;
    late.failed(WHY);
    clock.now = 1000;

    breakers.enter(H).succeeded();
  });

  it('stays closed, and is told so, when a probe ends after another request closed it', () => {
    for (const outcome of ['abandoned', 'failed'] as const) {
      const clock = { now: 0 };
      const breakers = breakersAt(clock);
      const states: string[] = [];
      using listening = circuitChanged.subscribe(({ state }) => states.push(state));
      assert.ok(listening);
      const late = breakers.enter(H);
      fail(breakers, 3);
      clock.now = 1000;
      const probe = breakers.enter(H);

      late.succeeded();
      probe[outcome](WHY);

      assert.deepEqual(states, ['open', 'half-open', 'closed']);
      breakers.enter(H).succeeded();
    }
  });

  it('spares a registry that is down, tells of it, and finds out that it is back', async () => {
    const signal = AbortSignal.timeout(30_000);
    const clock = { now: 0 };
    await using upstream = await startUpstream();
    upstream.addImage('a', '1', []);
    upstream.behave({}, { status: 503 });
    const limits = { attempts: 1, breakerFailures: 2, breakerOpenMs: 1000 };
    using connected = connectPeer({ url: upstream.url, limits, now: () => clock.now });
    const head = () => connected.peer.headManifest('a', '1', { signal });
    const states: string[] = [];
    using listening = circuitChanged.subscribe(({ state }) => states.push(state));
    assert.ok(listening);

    await assert.rejects(head(), { reason: 'server-error' });
    await assert.rejects(head(), { reason: 'server-error' });
    await assert.rejects(head(), { reason: 'circuit-open' });
    upstream.recover();
    clock.now = 1000;
    await head();

    assert.equal(upstream.requests.length, 3);
    assert.deepEqual(states, ['open', 'half-open', 'closed']);
  });

  it('opens when the host says nothing in time, not when askers go away', async () => {
    await using upstream = await startUpstream();
    upstream.behave({}, { silent: true });
    const limits = { breakerFailures: 1, firstByteMs: 100 };
    using connected = connectPeer({ url: upstream.url, limits });
    const head = (signal: AbortSignal) => connected.peer.headManifest('a', '1', { signal });
    const leaving = new AbortController();

    const left = head(leaving.signal);
    leaving.abort(new Error('gone'));
    await assert.rejects(left, { message: 'gone' });
    await assert.rejects(head(AbortSignal.timeout(30_000)), { reason: 'timeout' });

    await assert.rejects(head(AbortSignal.timeout(30_000)), { reason: 'circuit-open' });
  });

  it('stays closed when askers run out of time that they spent waiting for a slot', async () => {
    const signal = AbortSignal.timeout(30_000);
    await using upstream = await startUpstream();
    upstream.addImage('a', '1', []);
    const answer = Promise.withResolvers<void>();
    upstream.behave({ times: 2 }, { hold: answer.promise });
    const limits = { breakerFailures: 1, controlSlots: 1, firstByteMs: 20_000 };
    using connected = connectPeer({ url: upstream.url, limits });
    const head = (asker: AbortSignal) => connected.peer.headManifest('a', '1', { signal: asker });
    const [first, second] = [new AbortController(), new AbortController()];

    const before = head(first.signal);
    await until(() => upstream.requests.length === 1);
    const queued = head(second.signal);
    first.abort(new Error('gone'));
    await assert.rejects(before, { message: 'gone' });
    await until(() => upstream.requests.length === 2);
    second.abort(new DOMException('late', 'TimeoutError'));
    await assert.rejects(queued, { name: 'TimeoutError' });
    answer.resolve();

    await head(signal);
  });

  it('takes 401 and 429 for signs of life', async () => {
    const signal = AbortSignal.timeout(30_000);
    await using upstream = await startUpstream();
    using connected = connectPeer({ url: upstream.url, limits: { breakerFailures: 1 } });

    upstream.behave({}, { status: 401 });
    await assert.rejects(connected.peer.headManifest('a', '1', { signal }), { status: 401 });
    upstream.behave({}, { status: 429, headers: { 'retry-after': '0' } });
    await assert.rejects(connected.peer.headManifest('a', '1', { signal }), {
      name: 'UpstreamThrottled',
    });
    upstream.behave({}, { status: 404 });
    await assert.rejects(connected.peer.headManifest('a', '1', { signal }), {
      code: 'MANIFEST_UNKNOWN',
    });
  });

  it('takes no failure of a mount, which is tried once, for a failure of the host', async () => {
    const signal = AbortSignal.timeout(30_000);
    await using upstream = await startUpstream();
    const { layers } = upstream.addImage('a/app', '1', [Buffer.from('layer')]);
    const digest = layers[0]?.digest ?? assert.fail();
    upstream.behave({ method: 'POST' }, { status: 500 });
    using connected = connectPeer({ url: upstream.url, limits: { breakerFailures: 1 } });

    await assert.rejects(connected.peer.mountBlob('a/other', digest, 'a/app', { signal }), {
      reason: 'server-error',
    });

    assert.equal(upstream.count({ method: 'POST' }), 1);
    await connected.peer.headManifest('a/app', '1', { signal });
  });

  it('takes no session that came instead of a mount, and cannot be cancelled, for one either', async () => {
    const signal = AbortSignal.timeout(30_000);
    await using upstream = await startUpstream();
    upstream.addImage('a/app', '1', [Buffer.from('layer')]);
    const nowhere = digestOf(Buffer.from('nowhere'));
    upstream.behave({ method: 'DELETE' }, { status: 500 });
    using connected = connectPeer({ url: upstream.url, limits: { breakerFailures: 3 } });

    assert.equal(await connected.peer.mountBlob('a/other', nowhere, 'a/app', { signal }), false);

    await connected.peer.headManifest('a/app', '1', { signal });
    assert.equal(upstream.count({ method: 'DELETE' }), 1);
  });
});
