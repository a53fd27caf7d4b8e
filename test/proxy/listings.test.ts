import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Digest } from '../../src/oci/digest.ts';
import { OCI_MANIFEST } from '../../src/oci/media-type.ts';
import { until } from '../support/until.ts';
import type { Behaviour } from '../support/upstream.ts';
import {
  addImage,
  HOUR,
  MINUTE,
  openWorld,
  PATH,
  REPOSITORY,
  SECOND,
  soon,
  type World,
  type WorldOptions,
} from './support/world.ts';

const TAGS = /\/tags\/list/;
const REFERRERS = /\/referrers\//;

describe('the tags of a repository of a proxy project', () => {
  it('are those of upstream and those that were cached since it listed them, in byte order', async () => {
    await using world = await openWorld();
    const { manifest } = addImage(world, 'c');
    for (const tag of ['a', 'B', '10', '9']) world.upstream.tag(PATH, tag, manifest.digest);
    await tagsOf(world);
    world.pass(SECOND);
    addImage(world, 'b');
    await world.manifest('b');

    assert.deepEqual(await tagsOf(world), ['10', '9', 'B', 'a', 'b', 'c']);
    assert.equal(world.upstream.count({ path: TAGS }), 1);
  });

  it('are without those that upstream has lost since they were cached', async () => {
    await using world = await withLostTag();

    assert.deepEqual(await tagsOf(world), ['kept']);
    await assert.rejects(world.manifest('lost'), { code: 'MANIFEST_UNKNOWN' });
    assert.deepEqual(await tagsOf(world), ['kept']);
    world.upstream.tag(PATH, 'lost', (await world.manifest('kept')).digest);
    world.pass(MINUTE);
    await world.manifest('lost');
    assert.deepEqual(await tagsOf(world), ['kept', 'lost']);
  });

  it('have those that upstream has lost where the rule for such a tag serves them', async () => {
    await using world = await withLostTag({
      settings: { freshness: [{ tags: 'lo*', onNotFound: 'serveCached' }] },
    });

    assert.deepEqual(await tagsOf(world), ['kept', 'lost']);
  });

  it('have a tag that was cached while upstream was still listing', async () => {
    await using world = await openWorld();
    addImage(world, 'a');
    const listing = Promise.withResolvers<void>();
    world.upstream.behave({ path: TAGS }, { hold: listing.promise });
    const list = tagsOf(world);
    await until(() => world.upstream.count({ path: TAGS }) === 1);
    world.pass(SECOND);
    addImage(world, 'b');
    await world.manifest('b');
    world.pass(SECOND);
    world.upstream.remove(PATH, 'b');
    listing.resolve();
    await list;

    assert.deepEqual(await tagsOf(world), ['a', 'b']);
    assert.equal(world.upstream.count({ path: TAGS }), 1);
  });

  it('have those that were copied here on purpose, whatever upstream lists', async () => {
    await using world = await withLostTag();
    await world.node.database.write((transaction) =>
      transaction.updateTable('tags').set({ ownership: 'replica' }).execute(),
    );

    assert.deepEqual(await tagsOf(world), ['kept', 'lost']);
  });

  it('are paged as one list', async () => {
    await using world = await openWorld({ upstream: { pageSize: 2 } });
    for (const tag of ['a', 'b', 'c', 'd', 'e']) addImage(world, tag);

    assert.deepEqual(await tagsOf(world, { limit: 2 }), ['a', 'b']);
    assert.deepEqual(await tagsOf(world, { last: 'b', limit: 2 }), ['c', 'd']);
    assert.deepEqual(await tagsOf(world, { last: 'bb' }), ['c', 'd', 'e']);
    assert.deepEqual(await tagsOf(world, { limit: 0 }), []);
    assert.equal(world.upstream.count({ path: TAGS }), 3);
  });

  it('are asked for again once they are stale', async () => {
    await using world = await openWorld();
    addImage(world, 'a');
    await tagsOf(world);
    addImage(world, 'b');

    assert.deepEqual(await tagsOf(world), ['a']);
    world.pass(5 * MINUTE);
    assert.deepEqual(await tagsOf(world), ['a', 'b']);
  });

  it('are asked for once by all who ask at the same time', async () => {
    await using world = await openWorld();
    addImage(world, 'a');

    await Promise.all(Array.from({ length: 10 }, () => tagsOf(world)));

    assert.equal(world.upstream.count({ path: TAGS }), 1);
  });

  for (const how of [
    { status: 500 },
    { status: 429 },
    { reset: true },
    { body: '<html>', status: 418 },
  ]) {
    it(`are those that upstream listed last where it answers ${JSON.stringify(how)}`, async () => {
      await using world = await openWorld();
      addImage(world, 'a');
      addImage(world, 'b');
      await tagsOf(world);
      world.pass(HOUR);
      trouble(world, how);

      assert.deepEqual(await tagsOf(world), ['a', 'b']);
    });
  }

  it('are the cached ones where upstream is away and never listed any', async () => {
    await using world = await openWorld();
    addImage(world, 'a');
    addImage(world, 'b');
    await world.manifest('a');
    await world.restart();
    trouble(world, { reset: true });

    assert.deepEqual(await tagsOf(world), ['a']);
  });

  it('are waited for no longer than the deadline where the cache has some', async () => {
    await using world = await openWorld({
      settings: { freshness: [{ resolveDeadline: '50ms' }] },
      questionDeadlineMs: 60_000,
    });
    addImage(world, 'a');
    await world.manifest('a');
    trouble(world, { silent: true });

    assert.deepEqual(await tagsOf(world), ['a']);
  });

  for (const [how, code] of [
    [{ status: 500 }, 'UPSTREAM_UNAVAILABLE'],
    [{ status: 429 }, 'TOOMANYREQUESTS'],
    [{ status: 403 }, 'UPSTREAM_DENIED'],
    [{ status: 404 }, 'NAME_UNKNOWN'],
  ] as const) {
    it(`are ${code} where upstream answers ${how.status} and nothing is cached`, async () => {
      await using world = await openWorld();
      trouble(world, how);

      await assert.rejects(tagsOf(world), { code });
      assert.equal(await world.isKnown(REPOSITORY), false);
    });
  }

  for (const [status, code] of [
    [403, 'UPSTREAM_DENIED'],
    [404, 'NAME_UNKNOWN'],
  ] as const) {
    it(`are ${code} where upstream answers ${status}, though some are cached`, async () => {
      await using world = await openWorld();
      addImage(world, 'a');
      await world.manifest('a');
      trouble(world, { status });

      await assert.rejects(tagsOf(world), { code });
    });
  }

  it('of a repository that upstream has lost are the cached ones where the rule says so', async () => {
    await using world = await openWorld({
      settings: { freshness: [{ onNotFound: 'serveCached' }] },
    });
    addImage(world, 'a');
    await world.manifest('a');
    trouble(world, { status: 404 });

    assert.deepEqual(await tagsOf(world), ['a']);
  });

  it('are those of the catalog in a hosted project', async () => {
    await using world = await openWorld();

    const signal = soon();
    await assert.rejects(world.node.pulls.tags('local/app', { signal }), { code: 'NAME_UNKNOWN' });
    assert.equal(world.upstream.requests.length, 0);
  });
});

for (const referrersApi of [true, false]) {
  describe(`referrers, of an upstream ${referrersApi ? 'with' : 'without'} the API for them`, () => {
    const options: WorldOptions = { upstream: { referrersApi } };

    it('are those of upstream and those that are cached, each once', async () => {
      await using world = await openWorld(options);
      const { subject, signature, sbom } = signed(world, { referrersApi });
      await world.manifest(signature);
      world.upstream.remove(PATH, signature);
      world.upstream.remove(PATH, fallback(subject));

      const found = await referrersOf(world, subject);

      const expected = referrersApi ? [sbom, signature] : [signature];
      assert.deepEqual(found.map(({ digest }) => digest).toSorted(), expected.toSorted());
    });

    it('are filtered by type, and told with type and annotations', async () => {
      await using world = await openWorld(options);
      const { subject, sbom } = signed(world, { referrersApi });

      const found = await referrersOf(world, subject, 'application/sbom');

      assert.deepEqual(
        found.map(({ digest, artifactType, annotations }) => ({
          digest,
          artifactType,
          annotations,
        })),
        [{ digest: sbom, artifactType: 'application/sbom', annotations: { of: 'sbom' } }],
      );
    });

    it('are asked for again once they are stale, and stand in for upstream when it is away', async () => {
      await using world = await openWorld(options);
      const { subject } = signed(world, { referrersApi });
      await referrersOf(world, subject);
      const before = world.upstream.requests.length;
      await referrersOf(world, subject);
      assert.equal(world.upstream.requests.length, before);
      world.pass(HOUR);
      trouble(world, { status: 503 });

      assert.equal((await referrersOf(world, subject)).length, 2);
      assert.ok(world.upstream.requests.length > before);
    });
  });
}

describe('referrers of a proxy project', () => {
  it('are the cached ones where upstream is away and never listed any', async () => {
    await using world = await openWorld();
    const { subject, signature } = signed(world, { referrersApi: true });
    await world.manifest(signature);
    trouble(world, { reset: true });

    assert.deepEqual(
      (await referrersOf(world, subject)).map(({ digest }) => digest),
      [signature],
    );
  });

  it('are none where upstream says so, also for a subject that nobody knows', async () => {
    await using world = await openWorld();
    const { manifest } = addImage(world, 'a');

    assert.deepEqual(await referrersOf(world, manifest.digest), []);
    assert.equal(await world.isKnown(REPOSITORY), false);
    assert.equal(world.upstream.count({ path: REFERRERS }), 1);
  });

  it('are not claimed to be none where upstream cannot be asked', async () => {
    await using world = await openWorld();
    const { manifest } = addImage(world, 'a');
    await world.manifest('a');
    trouble(world, { status: 429 });

    await assert.rejects(referrersOf(world, manifest.digest), { code: 'TOOMANYREQUESTS' });
  });
});

/** Two tags are cached; upstream has one of them no more. */
async function withLostTag(options: WorldOptions = {}): Promise<World> {
  await using opened = new AsyncDisposableStack();
  const world = opened.use(await openWorld(options));
  for (const tag of ['kept', 'lost']) {
    addImage(world, tag);
    await world.manifest(tag);
  }
  world.upstream.remove(PATH, 'lost');
  world.pass(HOUR);
  opened.move();
  return world;
}

/** An image with a signature and an SBOM, in the first upstream. */
function signed(world: World, { referrersApi }: { readonly referrersApi: boolean }) {
  const { manifest: subject } = addImage(world, '3.20');
  const add = (name: string) => {
    const config = world.upstream.addBlob(
      PATH,
      Buffer.from('{}'),
      'application/vnd.oci.empty.v1+json',
    );
    const artifactType = `application/${name}`;
    const annotations = { of: name };
    const body = {
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      artifactType,
      config,
      layers: [],
      subject,
      annotations,
    };
    return { ...world.upstream.addManifest(PATH, body), artifactType, annotations };
  };
  const [signature, sbom] = [add('signature'), add('sbom')];
  if (!referrersApi) {
    const mediaType = 'application/vnd.oci.image.index.v1+json';
    const index = { schemaVersion: 2, mediaType, manifests: [signature, sbom] };
    world.upstream.addManifest(PATH, index, { tag: fallback(subject.digest), mediaType });
  }
  return { subject: subject.digest, signature: signature.digest, sbom: sbom.digest };
}

function fallback(subject: Digest): string {
  return subject.replace(':', '-');
}

function tagsOf({ node }: World, page: { last?: string; limit?: number } = {}) {
  return node.pulls.tags(REPOSITORY, { ...page, signal: soon() });
}

function referrersOf({ node }: World, subject: Digest, artifactType?: string) {
  const filter = artifactType === undefined ? {} : { artifactType };
  return node.pulls.referrers(REPOSITORY, subject, { ...filter, signal: soon() });
}

/** Of both mirrors. */
function trouble({ upstream, mirror }: World, how: Behaviour): void {
  for (const peer of [upstream, mirror]) peer.behave({}, how);
}
