import assert from 'node:assert/strict';
import { getEventListeners, once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { upstreamAnswered, upstreamBytes, upstreamFailed } from '../../src/telemetry/channels.ts';
import { certificateIn } from '../http/support/certificate.ts';
import { connectPeer } from '../support/registry-peer.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { until } from '../support/until.ts';
import { startUpstream } from '../support/upstream.ts';

const signal = AbortSignal.timeout(600_000);

describe('requests to a registry', () => {
  it('say who asks', async () => {
    await using upstream = await startUpstream();
    upstream.addImage('a', '1', []);
    using connected = connectPeer({ url: upstream.url });

    await connected.peer.headManifest('a', '1', { signal });

    assert.equal(upstream.requests[0]?.headers['user-agent'], 'portolan/test');
  });

  it('go below the path that the endpoint’s URL has', async () => {
    await using upstream = await startUpstream();
    using connected = connectPeer({ url: new URL('some/prefix', upstream.url) });

    await assert.rejects(connected.peer.headManifest('a', '1', { signal }));

    assert.equal(upstream.requests[0]?.path, '/some/prefix/v2/a/manifests/1');
  });

  it('never leave the repository’s path', async () => {
    await using upstream = await startUpstream();
    using connected = connectPeer({ url: upstream.url });

    await assert.rejects(connected.peer.headManifest('../../a', '1', { signal }), {
      code: 'NAME_INVALID',
    });
    await assert.rejects(connected.peer.manifest('a', '../blobs/x', { signal }), {
      code: 'TAG_INVALID',
    });
    assert.equal(upstream.requests.length, 0);
  });

  it('use one connection after the other, not one each', async () => {
    await using upstream = await startUpstream();
    upstream.addImage('a', '1', []);
    upstream.requireToken();
    using connected = connectPeer({ url: upstream.url });

    for (let i = 0; i < 5; i++) await connected.peer.manifest('a', '1', { signal });
    await assert.rejects(connected.peer.manifest('a', 'nope', { signal }));
    await connected.peer.headManifest('a', '1', { signal });

    assert.equal(upstream.connections, 1);
  });

  it('leave nothing on a signal that lives longer', async () => {
    await using upstream = await startUpstream();
    const { layers } = upstream.addImage('a', '1', [Buffer.from('layer')]);
    const digest = layers[0]?.digest;
    assert.ok(digest);
    using connected = connectPeer({ url: upstream.url });
    const controller = new AbortController();
    const options = { signal: controller.signal };

    await connected.peer.manifest('a', '1', options);
    await buffer((await connected.peer.blob('a', digest, options)).content);
    await assert.rejects(connected.peer.manifest('a', 'nope', options));
    await new Promise(setImmediate);

    assert.equal(getEventListeners(controller.signal, 'abort').length, 0);
  });

  it('give up on a manifest that comes a byte now and then', async () => {
    await using upstream = await startUpstream();
    upstream.addImage('a', '1', []);
    upstream.behave({}, { bytesPerSecond: 40 });
    using connected = connectPeer({ url: upstream.url, limits: { controlMs: 200 } });

    await assert.rejects(connected.peer.manifest('a', '1', { signal }), {
      name: 'UpstreamUnavailable',
      reason: 'timeout',
    });
  });

  it('do not take a slow reader for a silent registry', async () => {
    await using upstream = await startUpstream();
    const digest = upstream.addBlob('a', Buffer.alloc(8 * 2 ** 20)).digest;
    using connected = connectPeer({ url: upstream.url, limits: { silenceMs: 40 } });

    const { content } = await connected.peer.blob('a', digest, { signal });
    await new Promise((resolve) => setTimeout(resolve, 200));

    assert.equal((await buffer(content)).length, 8 * 2 ** 20);
  });

  it('wait for no end of an answer that nobody reads', async () => {
    await using upstream = await startUpstream();
    const { digest } = upstream.addBlob('a', Buffer.alloc(1000));
    upstream.behave({ times: 1 }, { status: 416, body: 'not these', stallAfter: 1 });
    using connected = connectPeer({ url: upstream.url, limits: { silenceMs: 30_000 } });

    const part = await connected.peer.blob('a', digest, { signal, range: { start: 5 } });
    await buffer(part.content);

    await until(() => upstream.requests[0]?.isOver === true);
  });

  it('give up after ten redirects', async () => {
    await using upstream = await startUpstream();
    upstream.behave({}, { redirectTo: (path) => new URL(path, upstream.url) });
    using connected = connectPeer({ url: upstream.url });

    await assert.rejects(connected.peer.headManifest('a', '1', { signal }), {
      name: 'UpstreamInvalid',
      message: /redirects/,
    });
    assert.equal(upstream.requests.length, 11);
  });

  it('tell what was asked, what came and what failed', async () => {
    await using upstream = await startUpstream();
    const { manifest } = upstream.addImage('a', '1', []);
    using connected = connectPeer({ url: upstream.url, limits: { attempts: 1 } });
    const facts: object[] = [];
    const note = (fact: object): void => {
      facts.push(fact);
    };
    using listening = new DisposableStack();
    for (const channel of [upstreamAnswered, upstreamBytes, upstreamFailed]) {
      listening.use(channel.subscribe(note));
    }

    await connected.peer.manifest('a', '1', { signal });
    upstream.behave({}, { reset: true });
    await assert.rejects(connected.peer.manifest('a', '1', { signal }));

    const plain = facts.map((fact) => ({ ...fact, durationMs: 0, error: undefined }));
    const common = { endpoint: 'upstream', host: upstream.host, durationMs: 0, error: undefined };
    assert.deepEqual(plain, [
      { ...common, method: 'GET', status: 200 },
      { endpoint: 'upstream', bytes: manifest.size, durationMs: 0, error: undefined },
      { ...common, reason: 'unreachable' },
    ]);
  });

  it('say in their errors neither where storage is signed nor what they logged in with', async () => {
    await using upstream = await startUpstream();
    upstream.requireBasic('me', 'hush-hush');
    upstream.behave(
      { path: /blobs/ },
      { redirectTo: new URL('http://127.0.0.1:1/x?signature=hush-hush') },
    );
    const credential = { username: 'me', password: 'hush-hush' };
    using connected = connectPeer({ url: upstream.url, credential });

    const failure = connected.peer.blob('a', `sha256:${'0'.repeat(64)}`, { signal });

    await assert.rejects(failure, (error) => {
      assert.doesNotMatch(shown(error), /hush-hush|aHVzaC/);
      return true;
    });
  });
});

describe('a registry behind TLS', () => {
  it('is trusted with its own authority, and not without', async () => {
    await using folder = await temporaryDirectory();
    const { certificate, keyFile } = await certificateIn(folder.path);
    const tls = { cert: certificate, key: await readFile(keyFile, 'utf8') };
    await using upstream = await startUpstream({ tls });
    upstream.addImage('a', '1', []);
    using trusting = connectPeer({ url: upstream.url, ca: certificate });
    using strange = connectPeer({ url: upstream.url });

    await trusting.peer.headManifest('a', '1', { signal });
    await assert.rejects(strange.peer.headManifest('a', '1', { signal }), (error) => {
      assert.ok(error instanceof Error && error.cause instanceof Error);
      assert.equal(error.name, 'UpstreamUnavailable');
      assert.match(error.cause.message, /self-signed certificate/);
      return true;
    });
  });

  it('is given up when it does not come to terms in time', async () => {
    const silent = createServer((socket) => void socket.resume()).listen(0, '127.0.0.1');
    await using _ = silent;
    await once(silent, 'listening');
    const address = silent.address();
    assert.ok(address !== null && typeof address !== 'string');
    const url = `https://127.0.0.1:${address.port}/`;
    using connected = connectPeer({ url, limits: { connectMs: 100, firstByteMs: 20_000 } });

    await assert.rejects(connected.peer.headManifest('a', '1', { signal }), {
      name: 'UpstreamUnavailable',
      reason: 'timeout',
    });
  });

  it('may not redirect to plain http', async () => {
    await using folder = await temporaryDirectory();
    const { certificate, keyFile } = await certificateIn(folder.path);
    const tls = { cert: certificate, key: await readFile(keyFile, 'utf8') };
    await using upstream = await startUpstream({ tls });
    await using plain = await startUpstream();
    upstream.behave({}, { redirectTo: plain.url });
    using connected = connectPeer({ url: upstream.url, ca: certificate });

    await assert.rejects(connected.peer.headManifest('a', '1', { signal }), {
      name: 'UpstreamInvalid',
      message: /https to http/,
    });
    assert.equal(plain.requests.length, 0);
  });
});

/** Everything that a log could show of it. */
function shown(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const fields = Object.entries(error).map(([key, value]) => `${key}=${shown(value)}`);
  return `${error.message} ${error.stack ?? ''} ${fields.join(' ')} ${shown(error.cause)}`;
}
