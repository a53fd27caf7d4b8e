import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createMemoryCache } from '../../src/cache/cache.ts';
import { basicOf } from '../../src/registry/auth.ts';
import { distributionPeer } from '../../src/registry/distribution-peer.ts';
import type { Credential } from '../../src/registry/endpoint.ts';
import { createRegistryClient } from '../../src/registry/registry-client.ts';
import { type Renewable, renewable } from '../../src/registry/renewable.ts';
import { VendorApi } from '../../src/registry/vendor-api.ts';
import { startUpstream, type Upstream } from '../support/upstream.ts';

const signal = AbortSignal.timeout(60_000);
const HOUR_MS = 3_600_000;

describe('a secret that is good for a time', () => {
  it('is fetched once for all who need it, and again shortly before it ends', async () => {
    const clock = { now: 0 };
    let fetched = 0;
    const secret = renewable(
      async () => ({ secret: `s${++fetched}`, expiresAt: clock.now + HOUR_MS }),
      () => clock.now,
    );

    const all = await Promise.all([1, 2, 3].map(() => secret.get({ signal })));
    clock.now = HOUR_MS - 61_000;
    const later = await secret.get({ signal });
    clock.now = HOUR_MS - 59_000;
    const renewed = await secret.get({ signal });

    assert.deepEqual(new Set(all.map((given) => given.secret)), new Set(['s1']));
    assert.deepEqual(later, { secret: 's1', isFresh: false });
    assert.deepEqual(renewed, { secret: 's2', isFresh: true });
  });

  it('is fetched again when it was refused, and not with every refusal', async () => {
    const clock = { now: 0 };
    let fetched = 0;
    const secret = renewable(
      async () => ({ secret: `s${++fetched}`, expiresAt: Number.POSITIVE_INFINITY }),
      () => clock.now,
    );
    const refused = (await secret.get({ signal })).secret;

    const soon = await secret.get({ signal, refused });
    clock.now = 30_000;
    const later = await secret.get({ signal, refused });
    const another = await secret.get({ signal, refused });

    assert.deepEqual(soon, { secret: 's1', isFresh: true });
    assert.deepEqual(later, { secret: 's2', isFresh: true });
    // Which came meanwhile, for somebody else who was refused.
    assert.deepEqual(another, { secret: 's2', isFresh: false });
  });

  it('is asked for again after it could not be had', async () => {
    const answers = [Promise.reject(new Error('not now')), Promise.resolve('s')];
    const secret = renewable(
      async () => ({ secret: await answers.shift(), expiresAt: Number.POSITIVE_INFINITY }),
      Date.now,
    );

    await assert.rejects(secret.get({ signal }), { message: 'not now' });
    assert.equal((await secret.get({ signal })).secret, 's');
  });
});

describe('a credential that ends by itself', () => {
  for (const scheme of ['basic', 'bearer'] as const) {
    it(`is renewed in the middle where the registry refuses it (${scheme})`, async () => {
      await using upstream = await startUpstream();
      upstream.addImage('a', '1', []);
      using client = clientOf();
      const passwords = ['first', 'second', 'third'];
      const credential = changing(passwords.map((password) => ({ username: 'me', password })));
      const peer = distributionPeer({ ...accessTo(upstream), credential }, client);

      takes(upstream, scheme, 'first');
      await peer.headManifest('a', '1', { signal });
      takes(upstream, scheme, 'second');
      upstream.tokens.expireAll();
      await peer.headManifest('a', '1', { signal });
      takes(upstream, scheme, 'another');
      upstream.tokens.expireAll();

      await assert.rejects(peer.headManifest('a', '1', { signal }), { name: 'UpstreamDenied' });
    });
  }

  it('is renewed for a vendor’s own API, too, and once', async () => {
    await using upstream = await startUpstream();
    using client = clientOf();
    const authorization = changing(['Bearer first', 'Bearer second', 'Bearer third']);
    const api = new VendorApi(client, { ...accessTo(upstream), authorization });
    await api.ask({ path: 'x', signal });

    upstream.behave({ times: 1 }, { status: 401 });
    const answer = await api.ask({ path: 'x', signal });
    upstream.behave({}, { status: 401 });
    await assert.rejects(api.ask({ path: 'x', signal }), { name: 'UpstreamDenied' });

    assert.equal(answer.status, 404);
    assert.deepEqual(
      upstream.requests.map(({ headers }) => headers.authorization),
      ['Bearer first', 'Bearer first', 'Bearer second', 'Bearer second', 'Bearer third'],
    );
  });
});

function takes(upstream: Upstream, scheme: 'basic' | 'bearer', password: string): void {
  if (scheme === 'basic') upstream.requireBasic('me', password);
  else upstream.requireToken({ users: { me: password }, anonymous: false });
}

function accessTo({ url }: Upstream) {
  return { name: 'upstream', url, credential: undefined, ca: undefined, allowPrivateAddress: true };
}

function clientOf() {
  const limits = { pauseMs: 1 };
  const cache = createMemoryCache();
  return createRegistryClient({ userAgent: 'portolan/test', cache, now: Date.now, limits });
}

/** One after the other, to whom minutes are moments. */
function changing<Secret extends string | Credential>(secrets: Secret[]): Renewable<Secret> {
  let now = 0;
  return renewable(
    async () => {
      const secret = secrets.shift();
      if (secret === undefined) throw new Error('there is no other');
      return { secret, expiresAt: Number.POSITIVE_INFINITY };
    },
    () => (now += 60_000),
  );
}

it('says a login as RFC 7617 does', () => {
  assert.equal(
    basicOf({ username: 'Aladdin', password: 'open sesame' }),
    'Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==',
  );
});
