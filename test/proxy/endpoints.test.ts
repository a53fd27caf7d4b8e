import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EndpointConfig } from '../../adapters/index.ts';
import { createMemoryCache } from '../../src/cache/cache.ts';
import { createEndpoints } from '../../src/proxy/endpoints.ts';
import { createRegistryClient } from '../../src/registry/registry-client.ts';
import { Link } from '../../src/transfer/shaping.ts';
import { startUpstream } from '../support/upstream.ts';

const signal = AbortSignal.timeout(30_000);

describe('an endpoint', () => {
  it('is asked where it is now, and as who it is now', async () => {
    await using one = await startUpstream();
    await using other = await startUpstream();
    one.addImage('team/app', 'v1', []);
    const { manifest } = other.addImage('team/app', 'v1', [Buffer.from('other')]);
    using client = createRegistryClient({
      userAgent: 'portolan/test',
      cache: createMemoryCache(),
      now: Date.now,
    });
    let known = [{ name: 'lab', url: one.url.href }];
    const endpoints = createEndpoints({
      known: async () => known,
      async connect({ name, url }) {
        const endpoint = EndpointConfig.parse({
          adapter: 'distribution',
          url,
          allowPrivateAddress: true,
        });
        const { canonicalRepository, leastNameParts, url: at } = endpoint;
        const peer = endpoint.connect({ name }, client);
        const link = new Link(Number.POSITIVE_INFINITY, { holdsClients: true });
        return { peer, link, host: at.host, canonicalRepository, leastNameParts };
      },
    });
    const before = await endpoints.find('lab');
    await before?.peer.headManifest('team/app', 'v1', { signal });

    known = [{ name: 'lab', url: one.url.href }];
    assert.equal(await endpoints.find('lab'), before, 'what did not change keeps what it knows');
    known = [{ name: 'lab', url: other.url.href }];
    const after = await endpoints.find('lab');

    const head = await after?.peer.headManifest('team/app', 'v1', { signal });
    assert.equal(head?.digest, manifest.digest);
    known = [];
    assert.equal(await endpoints.find('lab'), undefined);
  });

  it('that could not be connected is tried again', async () => {
    let attempts = 0;
    const endpoints = createEndpoints({
      known: async () => [{ name: 'lab' }],
      async connect() {
        attempts += 1;
        throw new Error('its certificate cannot be read');
      },
    });

    await assert.rejects(endpoints.find('lab'));
    await assert.rejects(endpoints.find('lab'));

    assert.equal(attempts, 2);
  });
});
