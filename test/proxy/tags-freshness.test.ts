import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { cacheDecided } from '../../src/telemetry/channels.ts';
import { until } from '../support/until.ts';
import { addImage, MANIFESTS, MINUTE, openWorld, SECOND, soon } from './support/world.ts';

const TAG = /\/manifests\/3\.20$/;
const BY_DIGEST = /\/manifests\/sha256:/;

describe('a tag of a proxy project', () => {
  it('is resolved by HEAD and fetched by digest when it is new here', async () => {
    await using world = await openWorld();
    const { manifest, bytes } = addImage(world, '3.20');

    const served = await world.manifest('3.20');

    assert.equal(served.digest, manifest.digest);
    assert.equal(served.mediaType, manifest.mediaType);
    assert.deepEqual(served.bytes, bytes);
    assert.equal(served.warning, undefined);
    assert.deepEqual(methods(world), ['HEAD', 'GET']);
    assert.equal(world.upstream.count({ method: 'GET', path: BY_DIGEST }), 1);
  });

  it('is served without asking upstream as long as it is fresh', async () => {
    await using world = await openWorld();
    const { manifest } = addImage(world, '3.20');
    await world.manifest('3.20');
    addImage(world, '3.20');
    const before = world.upstream.requests.length;

    world.pass(5 * MINUTE - 1);

    assert.equal((await world.manifest('3.20')).digest, manifest.digest);
    assert.equal((await world.head('3.20')).digest, manifest.digest);
    assert.equal(world.upstream.requests.length, before);
  });

  it('is asked for by one HEAD when it is stale, and fresh again if it did not move', async () => {
    await using world = await openWorld();
    addImage(world, '3.20');
    await world.manifest('3.20');
    world.pass(5 * MINUTE);

    await world.manifest('3.20');
    await world.manifest('3.20');

    assert.deepEqual(methods(world), ['HEAD', 'GET', 'HEAD']);
  });

  it('moves with upstream when it is stale, and what it was stays by digest', async () => {
    await using world = await openWorld();
    const old = addImage(world, '3.20').manifest;
    await world.manifest('3.20');
    const { manifest } = addImage(world, '3.20');
    world.pass(5 * MINUTE);

    assert.equal((await world.manifest('3.20')).digest, manifest.digest);
    assert.equal((await world.manifest(old.digest)).digest, old.digest);
    assert.deepEqual(methods(world), ['HEAD', 'GET', 'HEAD', 'GET']);
  });

  it('does not move back when what it pointed to before is fetched late', async () => {
    await using world = await openWorld({ settings: { freshness: [{ tags: '*', ttl: '1h' }] } });
    const old = addImage(world, '3.20').manifest;
    await world.head('3.20');
    world.pass(SECOND);
    const { manifest } = addImage(world, '3.20');
    await world.manifest('3.20');

    assert.equal((await world.manifest(old.digest)).digest, old.digest);

    assert.equal((await world.manifest('3.20')).digest, manifest.digest);
  });

  it('costs no download where the digest is here by another tag', async () => {
    await using world = await openWorld();
    const { manifest } = addImage(world, '3.20');
    await world.manifest('3.20');
    world.upstream.tag('library/alpine', 'latest', manifest.digest);

    assert.equal((await world.manifest('latest')).digest, manifest.digest);

    assert.deepEqual(methods(world), ['HEAD', 'GET', 'HEAD']);
    assert.deepEqual(await world.node.tags.list('docker.io/library/alpine'), ['3.20', 'latest']);
  });

  it('stays behind for a client that resolves it by HEAD and fetches by digest', async () => {
    await using world = await openWorld();
    const { manifest } = addImage(world, '3.20');

    const head = await world.head('3.20');
    await world.manifest(head.digest);
    world.upstream.behave({}, { status: 503 });
    world.mirror.behave({}, { status: 503 });
    world.pass(MINUTE);

    assert.equal(head.digest, manifest.digest);
    assert.equal((await world.manifest('3.20')).digest, manifest.digest);
    assert.deepEqual(methods(world), ['HEAD', 'GET']);
  });

  it('is got by GET where upstream refuses HEAD', async () => {
    await using world = await openWorld();
    const { manifest, bytes } = addImage(world, '3.20');
    world.upstream.behave({ method: 'HEAD' }, { status: 405 });

    const served = await world.manifest('3.20');

    assert.equal(served.digest, manifest.digest);
    assert.deepEqual(served.bytes, bytes);
    assert.equal(world.upstream.count({ method: 'GET', path: TAG }), 1);
    assert.equal(world.upstream.count({ path: BY_DIGEST }), 0);
  });

  it('is got by GET where HEAD tells no digest', async () => {
    await using world = await openWorld();
    const { manifest } = addImage(world, '3.20');
    world.upstream.behave({ method: 'HEAD' }, { headers: { 'docker-content-digest': '' } });

    assert.equal((await world.manifest('3.20')).digest, manifest.digest);

    world.pass(5 * MINUTE);
    assert.equal((await world.manifest('3.20')).digest, manifest.digest);
    assert.equal(world.upstream.count({ method: 'GET', path: TAG }), 2);
  });

  it('is got by GET where upstream does not know its own digest', async () => {
    await using world = await openWorld();
    const { manifest } = addImage(world, '3.20');
    world.upstream.behave({ method: 'GET', path: BY_DIGEST }, { status: 404 });

    assert.equal((await world.manifest('3.20')).digest, manifest.digest);
  });

  it('is never what does not have the digest that HEAD told', async () => {
    await using world = await openWorld();
    addImage(world, '3.20');
    world.upstream.behave({ method: 'GET' }, { corrupt: true });

    await assert.rejects(world.manifest('3.20'), { code: 'UPSTREAM_UNAVAILABLE' });

    assert.equal(await world.isKnown('docker.io/library/alpine'), false);
  });

  it('is one upstream request for all that ask at the same time, each free to leave', async () => {
    await using world = await openWorld();
    const { manifest } = addImage(world, '3.20');
    const release = Promise.withResolvers<void>();
    world.upstream.behave({ method: 'HEAD' }, { hold: release.promise });
    const leaving = new AbortController();

    const impatient = world.manifest('3.20', undefined, leaving.signal);
    const others = Array.from({ length: 20 }, () => world.manifest('3.20'));
    await until(() => world.upstream.requests.length > 0);
    leaving.abort(new Error('gone'));
    await assert.rejects(impatient, { message: 'gone' });
    release.resolve();

    for (const served of await Promise.all(others)) assert.equal(served.digest, manifest.digest);
    assert.deepEqual(methods(world), ['HEAD', 'GET']);
  });

  it('is served at once and renewed behind it while it may be stale', async () => {
    await using world = await openWorld({
      settings: { freshness: [{ ttl: '1m', staleWhileRevalidate: '1h' }] },
    });
    const old = addImage(world, '3.20').manifest;
    await world.manifest('3.20');
    const { manifest } = addImage(world, '3.20');
    world.pass(10 * MINUTE);

    assert.equal((await world.manifest('3.20')).digest, old.digest);

    await until(async () => (await world.manifest('3.20')).digest === manifest.digest);
    assert.deepEqual(methods(world), ['HEAD', 'GET', 'HEAD', 'GET']);
  });

  it('obeys the first rule that matches it', async () => {
    await using world = await openWorld({
      settings: { freshness: [{ tags: '3.*', ttl: 'forever' }, { ttl: '0s' }] },
    });
    addImage(world, '3.20');
    addImage(world, 'latest');
    for (const tag of ['3.20', 'latest', '3.20', 'latest']) await world.manifest(tag);

    assert.equal(world.upstream.count({ method: 'HEAD', path: TAG }), 1);
    assert.equal(world.upstream.count({ method: 'HEAD', path: /latest$/ }), 2);
  });

  it('tells how it was served', async () => {
    await using world = await openWorld();
    addImage(world, '3.20');
    const outcomes: string[] = [];
    using _ = cacheDecided.subscribe(({ outcome }) => outcomes.push(outcome));

    await world.manifest('3.20');
    await world.manifest('3.20');
    world.pass(5 * MINUTE);
    await world.manifest('3.20');
    world.pass(5 * MINUTE);
    for (const peer of [world.upstream, world.mirror]) peer.behave({}, { status: 500 });
    await world.manifest('3.20');
    await assert.rejects(world.manifest('nope'));

    assert.deepEqual(outcomes, ['miss', 'hit', 'revalidated', 'stale', 'miss']);
  });
});

describe('HEAD of a tag of a proxy project', () => {
  it('asks upstream by HEAD alone, and keeps nothing', async () => {
    await using world = await openWorld();
    const { manifest } = addImage(world, '3.20');

    assert.deepEqual(await world.head('3.20'), {
      digest: manifest.digest,
      mediaType: manifest.mediaType,
      size: manifest.size,
    });

    assert.deepEqual(methods(world), ['HEAD']);
    assert.equal(await world.isKnown('docker.io/library/alpine'), false);
  });

  it('fetches the manifest where upstream does not tell its type', async () => {
    await using world = await openWorld();
    const { manifest } = addImage(world, '3.20');
    world.upstream.behave({ method: 'HEAD' }, { headers: { 'content-type': '' } });

    const { digest, mediaType, size } = await world.head('3.20');

    assert.deepEqual({ digest, mediaType, size }, manifest);
    assert.deepEqual(methods(world), ['HEAD', 'GET']);
  });
});

describe('a digest of a proxy project', () => {
  it('is fetched once and never goes stale', async () => {
    await using world = await openWorld();
    const { manifest, bytes } = addImage(world, '3.20');

    const served = await Promise.all([1, 2, 3].map(() => world.manifest(manifest.digest)));
    world.pass(365 * 24 * 60 * MINUTE);
    served.push(await world.manifest(manifest.digest));

    for (const one of served) assert.deepEqual(one.bytes, bytes);
    assert.deepEqual(methods(world), ['GET']);
  });

  it('is looked up by HEAD alone for a HEAD', async () => {
    await using world = await openWorld();
    const { manifest } = addImage(world, '3.20');

    const { digest, mediaType, size } = await world.head(manifest.digest);

    assert.deepEqual({ digest, mediaType, size }, manifest);
    assert.deepEqual(methods(world), ['HEAD']);
  });

  it('is kept byte for byte as an index, and its children stay upstream until they are asked for', async () => {
    await using world = await openWorld();
    const children = ['amd64', 'arm64'].map((tag) => addImage(world, tag).manifest);
    const text = `{\n  "schemaVersion": 2,  "manifests": ${JSON.stringify(children)}\n}\n`;
    const mediaType = 'application/vnd.oci.image.index.v1+json';
    world.upstream.addManifest('library/alpine', Buffer.from(text), { tag: 'multi', mediaType });

    const served = await world.manifest('multi');

    assert.equal(served.bytes.toString(), text);
    assert.equal(served.mediaType, mediaType);
    assert.deepEqual(methods(world), ['HEAD', 'GET']);
    await world.manifest(children[1]?.digest ?? '');
    assert.deepEqual(methods(world), ['HEAD', 'GET', 'GET']);
  });
});

describe('a repository of a hosted project', () => {
  it('is never asked for upstream', async () => {
    await using world = await openWorld();
    addImage(world, '3.20');

    await assert.rejects(world.manifest('3.20', 'local/alpine'), { code: 'NAME_UNKNOWN' });
    await assert.rejects(world.head('3.20', 'local/alpine'), { code: 'NAME_UNKNOWN' });
    await assert.rejects(world.manifest('3.20', 'nowhere/alpine'), { code: 'NAME_UNKNOWN' });

    assert.equal(world.upstream.requests.length, 0);
  });

  it('says of a pull when it was, and how often', async () => {
    await using world = await openWorld();
    addImage(world, '3.20');
    world.pass(SECOND);
    await world.manifest('3.20');
    await world.node.accessTimes.flush();

    const row = await world.node.database.read
      .selectFrom('repositories')
      .select('pull_count')
      .executeTakeFirstOrThrow();
    assert.equal(row.pull_count, 1);
  });
});

describe('a repository that a proxy project leaves out', () => {
  it('is denied, whatever is asked of it', async () => {
    await using world = await openWorld({
      settings: { repositories: { include: ['library/**'], exclude: ['library/secret'] } },
    });
    const { manifest } = addImage(world, '3.20');
    const { pulls } = world.node;
    const signal = soon();

    for (const repository of ['docker.io/evil/x', 'docker.io/library/secret']) {
      const denied = { code: 'DENIED' };
      await assert.rejects(world.manifest('3.20', repository), denied);
      await assert.rejects(world.head('3.20', repository), denied);
      await assert.rejects(world.blob(manifest.digest, repository), denied);
      await assert.rejects(pulls.tags(repository, { signal }), denied);
      await assert.rejects(pulls.referrers(repository, manifest.digest, { signal }), denied);
    }

    assert.equal(world.upstream.requests.length, 0);
    await world.manifest('3.20');
  });
});

function methods({ upstream }: Awaited<ReturnType<typeof openWorld>>): readonly string[] {
  return upstream.seen({ path: MANIFESTS }).map(({ method }) => method);
}
