/** What a push may leave out is told by a column: it was read from the manifest's JSON each time somebody asked. */
import { sql } from 'kysely';
import type { WriteTransaction } from '../database.ts';
import type { Migration } from '../migration.ts';

export const references: Migration = {
  async up(transaction, { engine: { integer } }) {
    const statements = [
      `alter table manifest_references add column optional ${integer} not null default 0`,
      `update manifest_references set optional = 1 where kind in ('layer', 'blob')
         and (media_type like '%.nondistributable.%' or media_type like '%.rootfs.foreign.%')`,
      'drop index manifests_subject',
      'create index manifests_subject on manifests (repository, subject, digest) where subject is not null',
    ];
    for (const statement of statements) await sql.raw(statement).execute(transaction);
    await markThoseWithUrls(transaction);
  },
};

const PAGE = 100;

/** Layers that say where else to get them. */
async function markThoseWithUrls(transaction: WriteTransaction): Promise<void> {
  for (let last = 0; ; ) {
    const { rows } = await sql<{ id: number; bytes: Uint8Array }>`
      select manifests.id, manifest_bytes.bytes from manifests
      join manifest_bytes on manifest_bytes.digest = manifests.digest
      where manifests.id > ${last} order by manifests.id limit ${PAGE}`.execute(transaction);
    for (const { id, bytes } of rows) {
      for (const position of positionsWithUrls(JSON.parse(Buffer.from(bytes).toString()))) {
        await sql`update manifest_references set optional = 1
          where manifest = ${id} and position = ${position}`.execute(transaction);
      }
    }
    const newest = rows.at(-1);
    if (newest === undefined) return;
    last = newest.id;
  }
}

interface Listed {
  readonly urls?: unknown;
}

/** Rows are in the order of the config, the layers and the blobs. */
function positionsWithUrls({
  config,
  layers,
  blobs,
}: {
  readonly config?: unknown;
  readonly layers?: readonly Listed[] | null;
  readonly blobs?: readonly Listed[] | null;
}): readonly number[] {
  const first = config === undefined ? 0 : 1;
  return [...(layers ?? []), ...(blobs ?? [])].flatMap(({ urls }, index) =>
    Array.isArray(urls) && urls.length > 0 ? [first + index] : [],
  );
}
