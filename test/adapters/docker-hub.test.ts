import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EndpointConfig } from '../../adapters/index.ts';
import { budgetSeen } from '../../src/telemetry/channels.ts';
import { conformsToPeer } from './conformance.ts';
import { vendorOf } from './vendor.ts';

const start = vendorOf('docker-hub');
const signal = AbortSignal.timeout(30_000);

describe('the Docker Hub adapter', () => {
  conformsToPeer(start);

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
