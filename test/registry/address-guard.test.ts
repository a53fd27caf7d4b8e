import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createMemoryCache } from '../../src/cache/cache.ts';
import { isNearby, isPublicAddress } from '../../src/registry/address-guard.ts';
import { distributionPeer } from '../../src/registry/distribution-peer.ts';
import { UpstreamUnavailable } from '../../src/registry/errors.ts';
import type { RegistryLimits } from '../../src/registry/limits.ts';
import {
  createRegistryClient,
  type RegistryAccess,
  type RegistryClient,
} from '../../src/registry/registry-client.ts';
import { startUpstream } from '../support/upstream.ts';

const signal = AbortSignal.timeout(30_000);

describe('which addresses are public', () => {
  const open = ['1.1.1.1', '2606:4700::1111', '::ffff:8.8.8.8', '64:ff9b::808:808'];
  for (const address of open) {
    it(`${address} is`, () => assert.ok(isPublicAddress(address)));
  }

  const closed = [
    '10.0.0.7',
    '172.16.0.1',
    '192.168.1.1',
    '127.0.0.1',
    '127.8.8.8',
    '0.0.0.0',
    '100.64.0.1',
    '169.254.169.254',
    '168.63.129.16',
    '192.0.2.1',
    '198.18.0.1',
    '224.0.0.1',
    '240.0.0.1',
    '255.255.255.255',
    '::1',
    '::',
    'fe80::1',
    'fd00::1',
    'ff02::1',
    '::ffff:10.0.0.7',
    '::ffff:127.0.0.1',
    '64:ff9b::a00:7',
    '2002:a00:7::1',
    '2001:db8::1',
    '::7f00:1',
    '4000::1',
    'nonsense',
  ];
  for (const address of closed) {
    it(`${address} is not`, () => assert.ok(!isPublicAddress(address)));
  }
});

describe('a URL that says itself that it leads nearby', () => {
  const nearby = [
    'http://localhost:5000',
    'https://LOCALHOST/v2',
    'http://127.0.0.1',
    'http://2130706433/',
    'https://172.16.0.7:5000',
    'http://168.63.129.16',
    'http://[::1]:5000',
    'https://[fd00::7]/',
    'http://[::ffff:10.0.0.7]',
  ];
  for (const url of nearby) {
    it(`${url} is one`, () => assert.ok(isNearby(url)));
  }

  const elsewhere = [
    'https://1.1.1.1',
    'https://[2606:4700::1111]:5000',
    'https://registry.example',
    'http://localhost.example',
    'http://10.example',
    'localhost',
    '10.0.0.7:5000',
    'nonsense',
    '',
  ];
  for (const url of elsewhere) {
    it(`${JSON.stringify(url)} is none`, () => assert.ok(!isNearby(url)));
  }
});

describe('an endpoint that may not be in a private network', () => {
  it('is not connected to where its name leads to one', async () => {
    await using upstream = await startUpstream();
    using client = clientWith({});
    const peer = distributionPeer(accessTo(`http://localhost:${upstream.url.port}/`), client);

    await assert.rejects(peer.headManifest('a', '1', { signal }), isRefusal);
    assert.equal(upstream.requests.length, 0);
  });

  it('opens no circuit by being refused', async () => {
    using client = clientWith({ breakerFailures: 1 });
    const peer = distributionPeer(accessTo('http://localhost:1/'), client);

    for (let i = 0; i < 3; i++) {
      await assert.rejects(peer.headManifest('a', '1', { signal }), isRefusal);
    }
  });

  it('is not connected to an address that is in one', async () => {
    using client = clientWith({});
    const peer = distributionPeer(accessTo('http://[::1]:1/'), client);

    await assert.rejects(peer.headManifest('a', '1', { signal }), isRefusal);
  });
});

function clientWith(limits: Partial<RegistryLimits>): RegistryClient {
  return createRegistryClient({
    userAgent: 'portolan/test',
    cache: createMemoryCache(),
    now: Date.now,
    limits,
  });
}

/** As a configured endpoint whose name turns out to lead home. */
function accessTo(url: string): RegistryAccess {
  const settings = { credential: undefined, ca: undefined, allowPrivateAddress: false };
  return { name: 'upstream', url: new URL(url), ...settings };
}

function isRefusal(error: unknown): boolean {
  assert.ok(error instanceof UpstreamUnavailable && error.cause instanceof Error);
  assert.equal(error.reason, 'unreachable');
  assert.match(error.cause.message, /not a public address.*allowPrivateAddress/);
  return true;
}
