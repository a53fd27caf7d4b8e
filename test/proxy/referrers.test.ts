import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Digest } from '../../src/oci/digest.ts';
import { OCI_MANIFEST } from '../../src/oci/media-type.ts';
import {
  addImage,
  HOUR,
  openWorld,
  PATH,
  REPOSITORY,
  soon,
  trouble,
  type World,
  type WorldOptions,
} from './support/world.ts';

const REFERRERS = /\/referrers\//;

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

async function referrersOf({ node }: World, subject: Digest, artifactType?: string) {
  const filter = artifactType === undefined ? {} : { artifactType };
  const options = { ...filter, signal: soon() };
  return (await node.pulls.referrers(REPOSITORY, subject, options)).referrers;
}
