import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { sql } from 'kysely';
import type { Database } from '../../src/database/database.ts';
import { MIGRATIONS } from '../../src/database/migrate.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { databases } from '../support/databases.ts';
import { rows } from './rows.ts';

const BEFORE = MIGRATIONS.slice(0, 3);
const LAYER = 'application/vnd.oci.image.layer.v1.tar';
const FOREIGN = 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip';
const digest = digestOf(Buffer.from('content'));

for (const engine of databases) {
  describe(`data of version 3 on ${engine.name}`, () => {
    it('has afterwards what a push may leave out, by type and by address', async () => {
      await using database = await engine.open({ migrations: BEFORE });
      const layers = [
        { mediaType: LAYER, digest, size: 7 },
        { mediaType: FOREIGN, digest, size: 7 },
        { mediaType: LAYER, digest, size: 7, urls: ['https://layers.example/one'] },
        { mediaType: LAYER, digest, size: 7, urls: [] },
      ];
      const config = { mediaType: 'application/vnd.oci.image.config.v1+json', digest, size: 7 };
      await keep(database, { schemaVersion: 2, config, layers });

      await engine.migrate(database);

      const found = await database.read
        .selectFrom('manifest_references')
        .select(['position', 'optional'])
        .orderBy('position')
        .execute();
      assert.deepEqual(
        found.map(({ optional }) => optional),
        [0, 0, 1, 1, 0],
      );
    });
  });
}

interface Image {
  readonly schemaVersion: 2;
  readonly config: Content;
  readonly layers: readonly Content[];
}
interface Content {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

/** As a program of that version kept it. */
async function keep(database: Database, image: Image): Promise<void> {
  const bytes = Buffer.from(JSON.stringify(image));
  const own = digestOf(bytes);
  await database.write(async (transaction) => {
    await transaction.insertInto('projects').values(rows.projects).execute();
    await transaction.insertInto('repositories').values(rows.repositories).execute();
    await transaction.insertInto('manifest_bytes').values({ digest: own, bytes }).execute();
    await transaction
      .insertInto('manifests')
      .values({ ...rows.manifests, digest: own, subject: null })
      .execute();
    for (const [position, { mediaType, size }] of [image.config, ...image.layers].entries()) {
      const kind = position === 0 ? 'config' : 'layer';
      await sql`insert into manifest_references
        (manifest, position, kind, digest, media_type, size)
        values (${rows.manifests.id}, ${position}, ${kind}, ${digest}, ${mediaType}, ${size})`.execute(
        transaction,
      );
    }
  });
}
