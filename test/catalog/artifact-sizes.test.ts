import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EVERYTHING } from '../../src/database/listing.ts';
import { databases } from '../support/databases.ts';
import { APP, byDigest } from './filled-repository.ts';
import { addProject, type ManagementWorld, openManagement } from './management-world.ts';
import { contentOf, imageOf, keepBlob, push } from './world.ts';

for (const engine of databases) {
  describe(`the size of an artifact on ${engine.name}`, () => {
    it('is told exactly up to the largest that a number holds, and as that one beyond', async () => {
      await using world = await openManagement(engine);
      await addProject(world, 'team');

      const sizes = await sizesOf(world, [
        [2 ** 52, 2 ** 52 - 10_000],
        [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
        Array.from({ length: 1100 }, () => Number.MAX_SAFE_INTEGER),
      ]);

      const [exact, ...beyond] = sizes;
      assert.ok(exact);
      assert.equal(exact.size, 2 ** 53 - 10_000 + exact.own);
      assert.deepEqual(
        beyond.map((one) => one.size),
        [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
      );
    });
  });
}

describe('an artifact', () => {
  const [engine] = databases;
  assert.ok(engine);

  it('is listed with more accessories than one query can name', async () => {
    await using world = await openManagement(engine);
    await addProject(world, 'team');
    const config = contentOf('{}');
    await keepBlob(world, APP, config);
    const image = imageOf(config, []);
    await push(world, APP, image);
    await addAccessories(world, image.digest, 33_000);

    const { accessories } = await world.management.artifacts.get(APP, byDigest(image));

    assert.equal(accessories.length, 33_000);
    assert.equal(accessories.at(-1)?.size, 3);
  });
});

/** Of images whose layers are elsewhere and say to be so large; `own` is what they have beside those. */
async function sizesOf(world: ManagementWorld, images: readonly (readonly number[])[]) {
  const config = contentOf('{}');
  await keepBlob(world, APP, config);
  for (const sizes of images) {
    const layers = sizes.map((size, index) => ({
      mediaType: 'application/vnd.oci.image.layer.nondistributable.v1.tar',
      digest: contentOf(`${sizes.length} ${index}`).digest,
      size,
    }));
    await push(world, APP, imageOf(config, [], { layers }));
    world.clock.at += 1;
  }
  const { items } = await world.management.artifacts.list(APP, EVERYTHING);
  const rows = await world.database.read
    .selectFrom('manifests')
    .select(['digest', 'size'])
    .execute();
  return items
    .toSorted((one, other) => one.pushedAt - other.pushedAt)
    .map(({ digest, size }) => {
      const manifest = rows.find((row) => row.digest === digest);
      return { size, own: (manifest?.size ?? 0) + config.bytes.length };
    });
}

async function addAccessories(
  { database }: ManagementWorld,
  subject: ReturnType<typeof contentOf>['digest'],
  count: number,
): Promise<void> {
  const contents = Array.from({ length: count }, (_, index) => contentOf(`${index}`));
  await database.write(async (transaction) => {
    const known = await transaction.selectFrom('manifests').selectAll().executeTakeFirstOrThrow();
    const { id: _, ...row } = known;
    for (let start = 0; start < count; start += 1000) {
      const some = contents.slice(start, start + 1000);
      await transaction.insertInto('manifest_bytes').values(some).execute();
      const rows = some.map(({ digest }) => ({ ...row, digest, subject, size: 3 }));
      await transaction.insertInto('manifests').values(rows).execute();
    }
  });
}
