import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EndpointConfig } from '../../adapters/index.ts';
import { UpstreamThrottled } from '../../src/registry/errors.ts';
import { budgetSeen } from '../../src/telemetry/channels.ts';
import { connectPeer } from '../support/registry-peer.ts';
import { startUpstream } from '../support/upstream.ts';
import { startHubApi } from './apis/hub-api.ts';
import { conformsToPeer } from './conformance.ts';
import { conformsToLists } from './conformance-listings.ts';
import { conformsToPlainRegistry } from './conformance-plain.ts';
import { vendorOf } from './vendor.ts';

const start = vendorOf('docker-hub');
const signal = AbortSignal.timeout(30_000);

const ME = { username: 'me', password: 'dckr_pat_x' };

/** The registry, and the API beside it. */
async function startHub() {
  const stack = new AsyncDisposableStack();
  const registry = stack.use(await startUpstream());
  const api = stack.use(await startHubApi(registry));
  const clock = { ms: 0 };
  const now = () => Date.now() + clock.ms;
  const settings = { adapter: 'docker-hub', url: registry.url, options: { apiUrl: api.url.href } };
  const connect = (credential?: typeof ME) =>
    stack.use(connectPeer({ ...settings, now, ...(credential ? { credential } : {}) })).peer;
  return {
    registry,
    api,
    clock,
    peer: connect(ME),
    nobody: connect(),
    hold: async (name: string, tag: string) =>
      registry.addImage(name, tag, [Buffer.from(`${name}:${tag}`)]).manifest.digest,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

describe('the Docker Hub adapter', () => {
  conformsToPeer(start);
  conformsToPlainRegistry(start);
  conformsToLists({ adapter: 'docker-hub', moreThanPage: 5, start: startHub });

  it('is the registry by whichever of its addresses, so that what it asks for holds for all that loads it', () => {
    for (const url of ['https://hub.docker.com', 'https://registry-1.docker.io']) {
      const { url: registry } = EndpointConfig.parse({ adapter: 'docker-hub', url });
      assert.equal(registry.href, 'https://registry-1.docker.io/');
    }
  });

  it('lists a namespace to nobody, too, but does not know which there are', async () => {
    await using hub = await startHub();
    await hub.hold('library/alpine', '3.20');

    const listing = (prefix?: string) =>
      Array.fromAsync(hub.nobody.repositories?.({ signal, ...(prefix && { prefix }) }) ?? []);

    assert.deepEqual(await listing('library/'), ['library/alpine']);
    await assert.rejects(listing(), { name: 'UpstreamDenied' });
    assert.equal(hub.api.logins, 0);
  });

  it('asks for the digest of tags whose digest is not told', async () => {
    await using hub = await startHub();
    const digest = await hub.hold('me/app', 'ancient');

    const tags = await Array.fromAsync(hub.peer.tagDigests?.('me/app', { signal }) ?? []);

    assert.deepEqual(tags, [
      { name: 'ancient', digest, pushedAt: Date.parse('2026-07-01T10:00:00Z') },
    ]);
    assert.equal(hub.registry.count({ method: 'GET', path: /manifests/ }), 0);
  });

  it('logs in once for many questions, and again when the token ends', async () => {
    await using hub = await startHub();
    await hub.hold('me/app', '1.0');
    const ask = () => Array.fromAsync(hub.peer.tagDigests?.('me/app', { signal }) ?? []);

    await Promise.all([ask(), ask(), ask()]);
    await ask();
    assert.equal(hub.api.logins, 1);

    hub.clock.ms += 10 * 60_000;
    await ask();
    assert.equal(hub.api.logins, 2);

    hub.clock.ms += 60_000;
    hub.api.expireAll();
    await ask();
    assert.equal(hub.api.logins, 3);
  });

  it('waits as long as the API says in its own header', async () => {
    await using hub = await startHub();
    const at = Math.floor(Date.now() / 1000) + 40;
    hub.api.server.behave({}, { status: 429, headers: { 'x-retry-after': String(at) } });

    await assert.rejects(Array.fromAsync(hub.peer.repositories?.({ signal }) ?? []), (error) => {
      assert.ok(error instanceof UpstreamThrottled);
      assert.ok((error.retryAfterSeconds ?? 0) > 30, String(error.retryAfterSeconds));
      return true;
    });
    // The registry itself is another matter.
    await hub.hold('me/app', '1.0');
    await hub.peer.headManifest('me/app', '1.0', { signal });
  });

  it('shows its password to the API’s login alone', async () => {
    await using hub = await startHub();
    await hub.hold('me/app', '1.0');

    await hub.peer.deleteTag('me/app', '1.0', { signal });

    const asked = hub.api.server.requests.map(({ path, headers }) => [
      path.split('?')[0],
      headers.authorization?.split(' ')[0],
    ]);
    assert.deepEqual(asked, [
      ['/v2/auth/token', undefined],
      ['/v2/repositories/me/app/tags/1.0/', 'Bearer'],
    ]);
  });

  it('has no name of three parts', async () => {
    await using hub = await startHub();

    await assert.rejects(hub.peer.deleteTag('me/deep/app', '1.0', { signal }), {
      code: 'NAME_INVALID',
    });
  });

  it('is Docker Hub where no other URL is given', () => {
    const { url } = EndpointConfig.parse({ adapter: 'docker-hub' });

    assert.equal(url.href, 'https://registry-1.docker.io/');
  });

  it('finds official images under library/', async () => {
    await using vendor = await start();
    const { manifest } = vendor.upstream.addImage('library/alpine', '3.20', []);
    vendor.upstream.requireToken();

    const head = await vendor.peer.headManifest('alpine', '3.20', { signal });

    assert.equal(head?.digest, manifest.digest);
    assert.equal(vendor.peer.canonicalRepository?.('alpine'), 'library/alpine');
    assert.equal(vendor.peer.canonicalRepository?.('me/alpine'), 'me/alpine');
  });

  it('shows a personal access token to the token service alone', async () => {
    await using vendor = await start();
    vendor.upstream.addImage('library/alpine', '3.20', []);
    vendor.upstream.requireToken({ users: { me: 'dckr_pat_x' }, anonymous: false });
    const peer = vendor.connect({ credential: { username: 'me', password: 'dckr_pat_x' } });

    await peer.headManifest('alpine', '3.20', { signal });

    const logins = vendor.upstream.requests
      .filter(({ headers }) => headers.authorization?.startsWith('Basic '))
      .map(({ path }) => path.replace(/\?.*/, ''));
    assert.deepEqual(logins, ['/token']);
  });

  it('tells what is left of the pull budget', async () => {
    await using vendor = await start();
    vendor.upstream.addImage('library/alpine', '3.20', []);
    const headers = { 'ratelimit-limit': '100;w=21600', 'ratelimit-remaining': '76;w=21600' };
    vendor.upstream.behave({}, { headers });
    const seen: object[] = [];
    const listening = budgetSeen.subscribe((fact) => seen.push(fact));

    await vendor.peer.headManifest('alpine', '3.20', { signal });
    listening[Symbol.dispose]();

    assert.deepEqual(seen, [{ endpoint: 'upstream', remaining: 76, limit: 100 }]);
  });
});
