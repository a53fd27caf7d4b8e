import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { until } from '../support/until.ts';
import type { Behaviour } from '../support/upstream.ts';
import { addImage, HOUR, MANIFESTS, MINUTE, openWorld, PATH, type World } from './support/world.ts';

const DAY = 24 * HOUR;
const TAG = /\/manifests\/3\.20$/;

/** What goes wrong upstream, what a client is told that has nothing cached, and whether a cached tag is served. */
const TROUBLES: readonly {
  readonly name: string;
  readonly how: Behaviour;
  readonly code: string;
  readonly isStaleServed: boolean;
}[] = [
  { name: 'answers 500', how: { status: 500 }, code: 'UPSTREAM_UNAVAILABLE', isStaleServed: true },
  { name: 'answers 503', how: { status: 503 }, code: 'UPSTREAM_UNAVAILABLE', isStaleServed: true },
  {
    name: 'resets connections',
    how: { reset: true },
    code: 'UPSTREAM_UNAVAILABLE',
    isStaleServed: true,
  },
  { name: 'answers 429', how: { status: 429 }, code: 'TOOMANYREQUESTS', isStaleServed: true },
  { name: 'answers 401', how: { status: 401 }, code: 'UPSTREAM_DENIED', isStaleServed: false },
  { name: 'answers 403', how: { status: 403 }, code: 'UPSTREAM_DENIED', isStaleServed: false },
  { name: 'answers 404', how: { status: 404 }, code: 'MANIFEST_UNKNOWN', isStaleServed: false },
  { name: 'answers 418', how: { status: 418 }, code: 'UPSTREAM_UNAVAILABLE', isStaleServed: true },
];

for (const { name, how, code, isStaleServed } of TROUBLES) {
  describe(`an upstream that ${name}`, () => {
    it(`is told as ${code} where nothing is cached`, async () => {
      await using world = await openWorld();
      trouble(world, how);

      await assert.rejects(world.manifest('3.20'), { code });
      await assert.rejects(world.head('3.20'), { code });
      assert.equal(await world.isKnown('docker.io/library/alpine'), false);
    });

    it(`${isStaleServed ? 'does not keep' : 'keeps'} a cached tag from being served`, async () => {
      await using world = await openWorld();
      const { manifest } = addImage(world, '3.20');
      await world.manifest('3.20');
      world.pass(HOUR);
      trouble(world, how);

      if (isStaleServed) {
        const served = await world.manifest('3.20');
        assert.equal(served.digest, manifest.digest);
        assert.match(
          served.warning ?? '',
          /^served from the cache, last checked 2026-11-21T00:00:00.000Z: upstream docker.io /,
        );
        assert.equal((await world.head('3.20')).warning, served.warning);
      } else {
        await assert.rejects(world.manifest('3.20'), { code });
      }
      assert.equal((await world.manifest(manifest.digest)).warning, undefined);
    });
  });
}

describe('an upstream in trouble', () => {
  it('is told of when the cached tag is older than the rule allows', async () => {
    await using world = await openWorld({
      settings: { freshness: [{ staleIfError: '1d', staleIfThrottled: '2d' }] },
    });
    addImage(world, '3.20');
    await world.manifest('3.20');
    world.pass(DAY + HOUR);
    const error = trouble(world, { status: 500 });

    await assert.rejects(world.manifest('3.20'), { code: 'UPSTREAM_UNAVAILABLE' });
    for (const rule of error) rule[Symbol.dispose]();
    trouble(world, { status: 429 });
    assert.equal(typeof (await world.manifest('3.20')).warning, 'string');

    world.pass(DAY);
    await assert.rejects(world.manifest('3.20'), { code: 'TOOMANYREQUESTS' });
  });

  it('passes on how long to wait', async () => {
    await using world = await openWorld();
    trouble(world, { status: 429, headers: { 'retry-after': '77' } });

    await assert.rejects(world.manifest('3.20'), { retryAfterSeconds: 77 });
  });

  it('still knows after a restart of the node how old a tag is', async () => {
    await using world = await openWorld({ settings: { freshness: [{ staleIfError: '1d' }] } });
    const { manifest } = addImage(world, '3.20');
    await world.manifest('3.20');
    trouble(world, { reset: true });
    world.pass(DAY);
    await world.restart();

    assert.equal((await world.manifest('3.20')).digest, manifest.digest);
    world.pass(HOUR);
    await assert.rejects(world.manifest('3.20'), { code: 'UPSTREAM_UNAVAILABLE' });
  });

  it('takes no digest away that is here', async () => {
    await using world = await openWorld();
    const { manifest, layers, layer } = addImage(world, '3.20');
    await world.manifest('3.20');
    await world.blob(layers[0]?.digest ?? '');
    trouble(world, { reset: true });
    world.pass(365 * DAY);

    assert.equal((await world.manifest(manifest.digest)).digest, manifest.digest);
    assert.deepEqual(await world.blob(layers[0]?.digest ?? ''), layer);
  });

  it('does not hide behind what it said of the digest: a failed GET is a failure, too', async () => {
    await using world = await openWorld();
    const old = addImage(world, '3.20').manifest;
    await world.manifest('3.20');
    addImage(world, '3.20');
    world.pass(HOUR);
    for (const peer of [world.upstream, world.mirror]) {
      peer.behave({ method: 'GET', path: MANIFESTS }, { status: 429 });
    }
    world.mirror.behave({ method: 'HEAD' }, { status: 500 });

    const served = await world.manifest('3.20');

    assert.equal(served.digest, old.digest);
    assert.match(served.warning ?? '', /slow down$/);
  });
});

describe('a tag that upstream no longer has', () => {
  it('is not found, and its content stays by digest', async () => {
    await using world = await openWorld();
    const { manifest } = addImage(world, '3.20');
    await world.manifest('3.20');
    world.upstream.remove(PATH, '3.20');
    world.pass(HOUR);

    await assert.rejects(world.manifest('3.20'), { code: 'MANIFEST_UNKNOWN' });
    assert.equal((await world.manifest(manifest.digest)).digest, manifest.digest);
  });

  it('is served from the cache where the rule says so, with a warning', async () => {
    await using world = await openWorld({
      settings: { freshness: [{ onNotFound: 'serveCached' }] },
    });
    const { manifest } = addImage(world, '3.20');
    await world.manifest('3.20');
    world.upstream.remove(PATH, '3.20');
    world.pass(HOUR);

    for (const served of [await world.manifest('3.20'), await world.manifest('3.20')]) {
      assert.equal(served.digest, manifest.digest);
      assert.match(served.warning ?? '', /no longer has it$/);
    }
    assert.equal(world.upstream.count({ method: 'HEAD', path: TAG }), 2);
  });

  it('is found again where upstream has it again', async () => {
    await using world = await openWorld();
    const { manifest } = addImage(world, '3.20');
    await world.manifest('3.20');
    world.upstream.remove(PATH, '3.20');
    world.pass(HOUR);
    await assert.rejects(world.manifest('3.20'));
    world.upstream.tag(PATH, '3.20', manifest.digest);
    world.pass(MINUTE);

    assert.equal((await world.manifest('3.20')).digest, manifest.digest);
  });
});

describe('a tag that upstream never had', () => {
  it('is asked for once in a while, and leaves nothing behind', async () => {
    await using world = await openWorld();

    for (let asked = 0; asked < 5; asked++) {
      await assert.rejects(world.manifest('3.20'), { code: 'MANIFEST_UNKNOWN' });
    }
    assert.equal(world.upstream.count({ path: TAG }), 1);
    world.pass(MINUTE);
    const { manifest } = addImage(world, '3.20');

    assert.equal((await world.manifest('3.20')).digest, manifest.digest);
  });
});

describe('an upstream that hangs', () => {
  it('holds a cached tag up for no longer than the deadline, and once for all who ask', async () => {
    await using world = await openWorld({
      settings: { freshness: [{ resolveDeadline: '100ms' }] },
      questionDeadlineMs: 60_000,
    });
    const { manifest } = addImage(world, '3.20');
    await world.manifest('3.20');
    world.pass(HOUR);
    trouble(world, { silent: true });
    const startedAt = performance.now();

    const served = await world.manifest('3.20');
    const waitedMs = performance.now() - startedAt;
    const again = performance.now();
    await world.manifest('3.20');
    const waitedAgainMs = performance.now() - again;

    assert.equal(served.digest, manifest.digest);
    assert.match(served.warning ?? '', /is unavailable$/);
    assert.ok(waitedMs >= 95 && waitedMs < 1500, `${waitedMs} ms`);
    assert.ok(waitedAgainMs < 90, `${waitedAgainMs} ms`);
    assert.equal(world.upstream.count({ method: 'HEAD', path: TAG }), 2);
  });

  it('holds it up no longer when it hangs after HEAD', async () => {
    await using world = await openWorld({
      settings: { freshness: [{ resolveDeadline: '100ms' }] },
    });
    const old = addImage(world, '3.20').manifest;
    await world.manifest('3.20');
    addImage(world, '3.20');
    world.pass(HOUR);
    world.upstream.behave({ method: 'GET' }, { silent: true });

    assert.equal((await world.manifest('3.20')).digest, old.digest);
  });

  it('is listened to in the background: the cache is renewed when it answers', async () => {
    await using world = await openWorld({ settings: { freshness: [{ resolveDeadline: '50ms' }] } });
    const old = addImage(world, '3.20').manifest;
    await world.manifest('3.20');
    const { manifest } = addImage(world, '3.20');
    world.pass(HOUR);
    const release = Promise.withResolvers<void>();
    world.upstream.behave({ method: 'HEAD' }, { hold: release.promise });

    assert.equal((await world.manifest('3.20')).digest, old.digest);
    release.resolve();

    await until(async () => (await world.manifest('3.20')).digest === manifest.digest);
    assert.equal(world.upstream.count({ method: 'HEAD', path: TAG }), 2);
  });

  it('is waited for where nothing is cached, up to a deadline of the node', async () => {
    await using world = await openWorld({ questionDeadlineMs: 200 });
    trouble(world, { silent: true });

    await assert.rejects(world.manifest('3.20'), { code: 'UPSTREAM_TIMEOUT' });
  });

  it('does not keep the node from stopping', async () => {
    await using world = await openWorld({ questionDeadlineMs: 60_000 });
    trouble(world, { silent: true });
    const asked = world.manifest('3.20');
    asked.catch(() => {});
    await until(() => world.upstream.requests.length > 0);

    await world.restart();

    await assert.rejects(asked, { code: 'UNAVAILABLE' });
  });
});

describe('mirrors of one namespace', () => {
  for (const [name, how] of [
    ['cannot be reached', { reset: true }],
    ['answers 500', { status: 500 }],
    ['answers 429', { status: 429 }],
  ] as const) {
    it(`are asked in their order: the second when the first ${name}`, async () => {
      await using world = await openWorld();
      world.upstream.behave({}, how);
      const { manifest } = world.mirror.addImage(PATH, '3.20', [Buffer.from('layer')]);

      assert.equal((await world.manifest('3.20')).digest, manifest.digest);
    });
  }

  for (const [status, code] of [
    [404, 'MANIFEST_UNKNOWN'],
    [401, 'UPSTREAM_DENIED'],
    [403, 'UPSTREAM_DENIED'],
  ] as const) {
    it(`are not asked for another answer than ${status}`, async () => {
      await using world = await openWorld();
      world.upstream.behave({}, { status });
      world.mirror.addImage(PATH, '3.20', [Buffer.from('layer')]);

      await assert.rejects(world.manifest('3.20'), { code });
      assert.equal(world.mirror.requests.length, 0);
    });
  }

  it('do not hide that the first is throttled behind a 404 of the second', async () => {
    await using world = await openWorld();
    world.upstream.behave({}, { status: 429 });

    await assert.rejects(world.manifest('3.20'), { code: 'TOOMANYREQUESTS' });
    assert.ok(world.mirror.requests.length > 0);
  });
});

/** Of both mirrors. */
function trouble({ upstream, mirror }: World, how: Behaviour): readonly Disposable[] {
  return [upstream.behave({}, how), mirror.behave({}, how)];
}
