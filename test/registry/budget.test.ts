import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { connectPeer } from '../support/registry-peer.ts';
import { startUpstream } from '../support/upstream.ts';
import { fallbackTagOf } from '../support/upstream-content.ts';

const NAME = 'library/app';
const MINUTE_MS = 60_000;
const signal = AbortSignal.timeout(30_000);

describe('a registry that says how many pulls are left', () => {
  it('gives those that are reserved to clients, and none to replication', async () => {
    await using hub = await openHub({ reservedPulls: 20 });
    hub.says(20);

    await assert.rejects(hub.copy(), {
      name: 'PullsReserved',
      message: /lets us pull 20 more, and 20 are reserved/,
      host: hub.host,
      waitMs: 5 * MINUTE_MS,
    });
    assert.equal(hub.pulls(), 0);
    await hub.pull();
    assert.equal(hub.pulls(), 1);
  });

  it('is asked by one HEAD every five minutes how it is', async () => {
    await using hub = await openHub({ reservedPulls: 20 });
    hub.says(3);
    const copies = () => Promise.allSettled([hub.copy(), hub.copy(), hub.copy()]);

    await copies();
    await copies();
    assert.deepEqual([hub.looks(), hub.pulls()], [1, 0]);
    hub.clock.ms += 5 * MINUTE_MS;
    await copies();
    assert.deepEqual([hub.looks(), hub.pulls()], [2, 0]);
    hub.clock.ms += 5 * MINUTE_MS;
    hub.says(100);
    await copies();

    assert.deepEqual([hub.looks(), hub.pulls()], [3, 3]);
  });

  it('is copied from as far as the pulls go that are under way, and a moment later again', async () => {
    await using hub = await openHub({ reservedPulls: 20 });
    hub.says(22);

    const copies = await Promise.allSettled([hub.copy(), hub.copy(), hub.copy()]);

    const refused = copies.filter((copy) => copy.status === 'rejected');
    assert.deepEqual(
      refused.map(({ reason }) => [reason.name, reason.waitMs]),
      [['PullsReserved', 1000]],
    );
    assert.equal(hub.pulls(), 2);
  });

  it('never has more than those that are reserved, which is said at once', async () => {
    await using hub = await openHub({ reservedPulls: 100 });
    hub.says(100, 100);

    await assert.rejects(hub.copy(), {
      message: /gives 100 pulls in all, and 100 are reserved/,
      waitMs: undefined,
    });
  });

  it('leaves those that are reserved where referrers are kept under a tag, too', async () => {
    await using hub = await openHub({ reservedPulls: 20 });
    hub.upstream.addImage(NAME, fallbackTagOf(hub.digest), []);
    hub.says(20);

    await assert.rejects(hub.referrers(), { name: 'PullsReserved' });
    assert.equal(hub.pulls(), 0);
  });

  it('is not asked to know that a pull has to wait', async () => {
    await using hub = await openHub({ reservedPulls: 20 });
    hub.says(20);
    hub.peer.assertPulls?.();
    await assert.rejects(hub.copy(), { name: 'PullsReserved' });

    assert.throws(() => hub.peer.assertPulls?.(), { name: 'PullsReserved' });
    hub.clock.ms += 5 * MINUTE_MS;
    hub.peer.assertPulls?.();

    assert.deepEqual([hub.looks(), hub.pulls()], [1, 0]);
  });

  it('that refuses a look is looked at by who comes next, whose pull it may not refuse', async () => {
    await using hub = await openHub({ reservedPulls: 20 });
    const other = hub.upstream.addImage('library/other', 'v1', [Buffer.from('other')]).manifest;
    hub.upstream.behave({ path: new RegExp(`${NAME}/manifests`) }, { status: 403 });

    const copies = await Promise.allSettled([
      hub.copy(),
      hub.peer.manifest('library/other', other.digest, { signal, isReplication: true }),
    ]);

    assert.deepEqual(
      copies.map(({ status }) => status),
      ['rejected', 'fulfilled'],
    );
  });

  it('tells nothing new by a manifest that is gone', async () => {
    await using hub = await openHub({ reservedPulls: 20 });
    hub.says(3);
    await assert.rejects(hub.copy(), { name: 'PullsReserved' });
    hub.upstream.recover();
    hub.clock.ms += 5 * MINUTE_MS;
    hub.upstream.behave({ method: 'HEAD', times: 1 }, { status: 404 });
    hub.upstream.behave({ method: 'GET', times: 1 }, { status: 404 });

    await assert.rejects(hub.copy(), { code: 'MANIFEST_UNKNOWN' });

    const copies = await Promise.allSettled([hub.copy(), hub.copy(), hub.copy()]);
    const refused = copies.filter(({ status }) => status === 'rejected');
    assert.equal(refused.length, 2, 'one finds out, where no HEAD tells');
  });

  it('is looked at again where it was well five minutes ago', async () => {
    await using hub = await openHub({ reservedPulls: 20 });
    hub.says(90);
    await hub.copy();
    hub.clock.ms += 5 * MINUTE_MS;
    hub.says(5);

    await assert.rejects(hub.copy(), { name: 'PullsReserved' });
    assert.equal(hub.pulls(), 1);
  });

  it('is not waited for by who has gone, and looked at for the others', async () => {
    await using hub = await openHub({ reservedPulls: 20 });
    const { promise: hold, resolve: answer } = Promise.withResolvers<void>();
    hub.upstream.behave({ method: 'HEAD', times: 1 }, { hold });
    const gone = new AbortController();

    const first = hub.copy(gone.signal);
    const second = hub.copy();
    gone.abort(new Error('gone'));

    await assert.rejects(first, { message: 'gone' });
    answer();
    await second;
    assert.equal(hub.looks(), 1);
  });

  it('is copied from to the last one where none is reserved, and by no other request', async () => {
    await using hub = await openHub({});
    hub.says(0);

    await hub.copy();

    assert.deepEqual([hub.looks(), hub.pulls()], [0, 1]);
  });
});

async function openHub(settings: { readonly reservedPulls?: number }) {
  await using opened = new AsyncDisposableStack();
  const upstream = opened.use(await startUpstream({ referrersApi: false }));
  const { digest } = upstream.addImage(NAME, 'v1', [Buffer.from('layer')]).manifest;
  const clock = { ms: 1_000_000 };
  const now = () => clock.ms;
  const { peer } = opened.use(connectPeer({ url: upstream.url, now, ...settings }));
  const resources = opened.move();
  const copying = { signal, isReplication: true };
  return {
    digest,
    peer,
    upstream,
    clock,
    host: upstream.url.host,
    looks: () => upstream.count({ method: 'HEAD', path: /manifests/ }),
    pulls: () => upstream.count({ method: 'GET', path: /manifests/ }),
    /** With every answer from now on. */
    says(left: number, limit = 200): void {
      upstream.recover();
      const headers = {
        'ratelimit-limit': `${limit};w=21600`,
        'ratelimit-remaining': `${left};w=21600`,
      };
      upstream.behave({}, { headers });
    },
    copy: (until = signal) => peer.manifest(NAME, digest, { ...copying, signal: until }),
    pull: () => peer.manifest(NAME, digest, { signal }),
    referrers: () => peer.referrers(NAME, digest, copying),
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}
