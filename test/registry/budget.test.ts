import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { connectPeer } from '../support/registry-peer.ts';
import { startUpstream } from '../support/upstream.ts';

const NAME = 'library/app';
const MINUTE_MS = 60_000;
const signal = AbortSignal.timeout(30_000);

describe('a registry that says how many pulls are left', () => {
  it('gives those that are reserved to clients, and none to replication', async () => {
    await using hub = await openHub({ reservedPulls: 20 });
    await hub.say(20);

    await assert.rejects(hub.copy(), {
      name: 'PullsReserved',
      message: /lets us pull 20 more, and those are reserved/,
      host: hub.host,
      waitMs: 5 * MINUTE_MS,
    });
    assert.equal(hub.pulls(), 0);
    await hub.pull();
    assert.equal(hub.pulls(), 1);
  });

  it('is copied from as far as they go', async () => {
    await using hub = await openHub({ reservedPulls: 20 });
    await hub.say(22);

    const copies = await Promise.allSettled([hub.copy(), hub.copy(), hub.copy()]);

    const refused = copies.filter(({ status }) => status === 'rejected');
    assert.deepEqual([hub.pulls(), refused.length], [2, 1]);
  });

  it('is asked by one pull every five minutes how it is, where nothing else tells', async () => {
    await using hub = await openHub({ reservedPulls: 20 });
    await hub.say(3);
    hub.clock.ms += 5 * MINUTE_MS;

    const copies = await Promise.allSettled([hub.copy(), hub.copy(), hub.copy()]);

    const refused = copies.filter(({ status }) => status === 'rejected');
    assert.deepEqual([hub.pulls(), refused.length], [1, 2]);
    await assert.rejects(hub.copy(), { waitMs: 5 * MINUTE_MS });
  });

  it('is copied from again as soon as it says that more are left', async () => {
    await using hub = await openHub({ reservedPulls: 20 });
    await hub.say(3);
    await assert.rejects(hub.copy(), { name: 'PullsReserved' });

    await hub.say(100);

    await hub.copy();
  });

  it('is copied from to the last one where none is reserved', async () => {
    await using hub = await openHub({});
    await hub.say(0);

    await hub.copy();
  });
});

async function openHub(settings: { readonly reservedPulls?: number }) {
  await using opened = new AsyncDisposableStack();
  const upstream = opened.use(await startUpstream());
  const { digest } = upstream.addImage(NAME, 'v1', [Buffer.from('layer')]).manifest;
  const clock = { ms: 1_000_000 };
  const now = () => clock.ms;
  const { peer } = opened.use(connectPeer({ url: upstream.url, now, ...settings }));
  const resources = opened.move();
  return {
    clock,
    host: upstream.url.host,
    pulls: () => upstream.count({ method: 'GET', path: /manifests/ }),
    /** From now on with every answer; a HEAD hears it first. */
    async say(left: number): Promise<void> {
      upstream.recover();
      upstream.behave({}, { headers: { 'ratelimit-remaining': `${left};w=21600` } });
      await peer.headManifest(NAME, 'v1', { signal });
    },
    copy: () => peer.manifest(NAME, digest, { signal, isReplication: true }),
    pull: () => peer.manifest(NAME, digest, { signal }),
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}
