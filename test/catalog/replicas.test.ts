import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createReplicas, type Replicas } from '../../src/catalog/replicas.ts';
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-type.ts';
import { databases } from '../support/databases.ts';
import {
  type Content,
  contentOf,
  imageWithBlobs,
  indexOf,
  keepBlob,
  openWorld,
  push,
  type World,
} from './world.ts';

const app = 'local/app';
const BY = { execution: 7, policy: 'nightly' } as const;

for (const engine of databases) {
  describe(`replicas on ${engine.name}`, () => {
    it('are kept as such, with history, feed and audit naming the execution', async () => {
      await using world = await openWorld(engine);
      const image = await imageWithBlobs(world, app, 'one');

      await put(world, image, { tags: ['v1'] });

      const manifest = await world.manifests.find(app, { kind: 'tag', tag: 'v1' });
      assert.equal(manifest?.digest, image.digest);
      const [move] = await world.tags.history(app, 'v1');
      assert.deepEqual([move?.cause, move?.actor], ['replication:7', 'replication:nightly']);
      const { read } = world.database;
      const tag = await read.selectFrom('tags').select('ownership').executeTakeFirstOrThrow();
      assert.equal(tag.ownership, 'replica');
      const changes = await read.selectFrom('changes').select(['kind', 'cause']).execute();
      assert.deepEqual(
        changes.map(({ kind, cause }) => [kind, cause]),
        [
          ['manifest', 'replication:7'],
          ['tag', 'replication:7'],
        ],
      );
      const entries = await read.selectFrom('audit').select(['actor', 'resource']).execute();
      assert.deepEqual(
        entries.map(({ actor, resource }) => [actor, resource]),
        [['replication:nightly', `${app}:v1`]],
      );
    });

    it('leave what was pushed here what it is', async () => {
      await using world = await openWorld(engine);
      const image = await imageWithBlobs(world, app, 'one');
      await push(world, app, image);

      await put(world, image, { tags: [] });

      const manifest = await world.database.read
        .selectFrom('manifests')
        .select('ownership')
        .executeTakeFirstOrThrow();
      assert.equal(manifest.ownership, 'origin');
    });

    it('are refused without their content, unless a rule leaves it out', async () => {
      await using world = await openWorld(engine);
      const here = await imageWithBlobs(world, app, 'one');
      const elsewhere = await imageWithBlobs(world, 'local/other', 'two');
      const index = indexOf([here, elsewhere]);
      await put(world, here, { tags: [] });

      await assert.rejects(put(world, index, { tags: ['v1'], mediaType: OCI_INDEX }), {
        code: 'MANIFEST_BLOB_UNKNOWN',
      });
      await put(world, index, { tags: ['v1'], mediaType: OCI_INDEX, references: 'sparse' });

      const held = await replicasOf(world).held(app, { kind: 'tag', tag: 'v1' });
      assert.deepEqual(held, { digest: index.digest, isWhole: false });
    });

    it('are whole only with what their children need', async () => {
      await using world = await openWorld(engine);
      const image = await imageWithBlobs(world, app, 'one');
      const index = indexOf([image]);
      await put(world, image, { tags: [] });
      await put(world, index, { tags: ['v1'], mediaType: OCI_INDEX });
      const replicas = replicasOf(world);
      assert.equal((await replicas.held(app, { kind: 'tag', tag: 'v1' }))?.isWhole, true);

      await world.blobs.unlink(app, image.layer.digest);

      assert.equal((await replicas.held(app, { kind: 'tag', tag: 'v1' }))?.isWhole, false);
      assert.deepEqual(
        await replicas.missingBlobs(app, [image.layer.digest, image.config.digest]),
        [image.layer.digest],
      );
    });

    it('are listed by tag, page by page, without what is only cached', async () => {
      await using world = await openWorld(engine);
      const image = await imageWithBlobs(world, app, 'one');
      await put(world, image, { tags: ['a', 'b', 'c'] });
      const replicas = replicasOf(world);

      const first = await replicas.heldTags(app, { limit: 2 });
      const rest = await replicas.heldTags(app, { after: 'b', limit: 2 });

      assert.deepEqual(
        [...first, ...rest].map(({ name, digest, isWhole }) => [name, digest, isWhole]),
        ['a', 'b', 'c'].map((name) => [name, image.digest, true]),
      );
      assert.deepEqual(await replicas.heldTags('local/nothing', { limit: 2 }), []);
    });

    it('lose a tag once, and say whether it was there', async () => {
      await using world = await openWorld(engine);
      const image = await imageWithBlobs(world, app, 'one');
      await put(world, image, { tags: ['v1'] });
      const replicas = replicasOf(world);

      const removed = { tag: 'v1', expected: undefined };
      assert.equal(await replicas.removeTag(app, removed, BY), 'removed');
      assert.equal(await replicas.removeTag(app, removed, BY), 'not there');
      assert.equal((await replicas.held(app, { kind: 'tag', tag: 'v1' }))?.digest, undefined);
    });

    it('keep a tag that is another one by now, or that somebody pushed since', async () => {
      await using world = await openWorld(engine);
      const [image, other] = [
        await imageWithBlobs(world, app, 'one'),
        await imageWithBlobs(world, app, 'two'),
      ];
      await put(world, image, { tags: ['moved', 'pushed', 'copied'] });
      const replicas = replicasOf(world);
      const expected = { expected: image.digest };
      await put(world, other, { tags: ['moved'] });
      await replicas.removeTag(app, { tag: 'pushed', expected: undefined }, BY);
      await push(world, app, image, { tags: ['pushed'] });

      const became = [];
      for (const tag of ['moved', 'pushed', 'copied']) {
        became.push(await replicas.removeTag(app, { tag, ...expected }, BY));
      }

      assert.deepEqual(became, ['another one', 'another one', 'removed']);
      const left = await replicas.heldTags(app, { limit: 5 });
      assert.deepEqual(
        left.map(({ name }) => name),
        ['moved', 'pushed'],
      );
    });

    it('need blobs to be kept where nobody pushed them', async () => {
      await using world = await openWorld(engine);
      const blob = contentOf('layer');
      const replicas = replicasOf(world);
      assert.deepEqual(await replicas.missingBlobs(app, [blob.digest]), [blob.digest]);

      await keepBlob(world, app, blob, 'replica');

      assert.deepEqual(await replicas.missingBlobs(app, [blob.digest]), []);
    });
  });
}

interface PutOptions {
  readonly tags: readonly string[];
  readonly mediaType?: string;
  readonly references?: 'strict' | 'sparse';
}

async function put(
  world: World,
  { bytes, digest }: Content,
  { tags, mediaType = OCI_MANIFEST, references = 'strict' }: PutOptions,
): Promise<void> {
  const manifest = { bytes, descriptor: { mediaType, digest, size: bytes.length } };
  await replicasOf(world).put(app, { manifest, tags, references, ...BY });
}

function replicasOf({ database, clock }: World): Replicas {
  return createReplicas({ database, now: () => clock.at });
}
