import assert from 'node:assert/strict';
import { parseManifest } from '../../../src/oci/manifest.ts';
import type { World } from '../../catalog/world.ts';
import type { Pool } from './contents-pool.ts';

/** What is in a catalog, as lines that a person can compare. */
export interface CatalogFacts {
  readonly blobs: readonly string[];
  readonly links: readonly string[];
  readonly manifests: readonly string[];
  readonly tags: readonly string[];
  /** Oldest first, as the next two. */
  readonly history: readonly string[];
  readonly feed: readonly string[];
  readonly arrivals: readonly string[];
}

export async function factsOf({ database: { read } }: World): Promise<CatalogFacts> {
  const names = await namesOf(read);
  const blobs = await read.selectFrom('blobs').selectAll().execute();
  const links = await read.selectFrom('blob_links').selectAll().execute();
  const manifests = await read.selectFrom('manifests').selectAll().execute();
  const tags = await read.selectFrom('tags').selectAll().execute();
  const history = await read.selectFrom('tag_history').selectAll().orderBy('id').execute();
  const feed = await read.selectFrom('changes').selectAll().orderBy('seq').execute();
  const arrivals = await read.selectFrom('arrivals').selectAll().orderBy('id').execute();
  const seqs = feed.map(({ seq }) => seq);
  assert.deepEqual(
    seqs,
    seqs.map((_, index) => (seqs[0] ?? 0) + index),
    'the feed has a gap',
  );
  return {
    blobs: blobs.map(({ digest, state }) => `${digest} ${state}`).toSorted(),
    links: links
      .map(({ repository, digest, ownership }) => `${names.get(repository)}@${digest} ${ownership}`)
      .toSorted(),
    manifests: manifests
      .map(({ repository, digest, ownership }) => `${names.get(repository)}@${digest} ${ownership}`)
      .toSorted(),
    tags: tags
      .map(
        ({ repository, name, digest, ownership }) =>
          `${names.get(repository)}:${name} ${digest} ${ownership}`,
      )
      .toSorted(),
    history: history.map(
      ({ repository, tag, digest, previous_digest }) =>
        `${names.get(repository)}:${tag} ${digest ?? '-'} ${previous_digest ?? '-'}`,
    ),
    feed: feed.map(
      ({ repository, kind, tag, digest, previous_digest }) =>
        `${repository} ${kind} ${tag ?? '-'} ${digest} ${previous_digest ?? '-'}`,
    ),
    arrivals: arrivals.map(
      ({ repository, tag, digest }) => `${repository} ${tag ?? '-'} ${digest}`,
    ),
  };
}

/** What follows from other rows and files does follow from them. */
export async function assertConsistent(world: World, pool: Pool): Promise<void> {
  await assertStored(world, pool);
  await assertComplete(world);
  await assertCounted(world);
}

/** Bytes are there exactly while a row says so, and a blob is condemned exactly while nobody has it. */
async function assertStored({ database: { read }, store }: World, pool: Pool): Promise<void> {
  const rows = await read.selectFrom('blobs').selectAll().execute();
  const links = await read.selectFrom('blob_links').select('digest').execute();
  const linked = new Set(links.map(({ digest }) => digest));
  for (const { digest, state, size } of rows) {
    assert.equal(state, linked.has(digest) ? 'present' : 'condemned', digest);
    assert.equal(await store.size(digest), size);
  }
  const known = new Set(rows.map(({ digest }) => digest));
  for (const { digest } of pool.blobs) {
    if (!known.has(digest)) assert.equal(await store.size(digest), undefined);
  }
  const kept = await read.selectFrom('manifest_bytes').select('digest').execute();
  const manifests = await read.selectFrom('manifests').select('digest').execute();
  const wanted = new Set(manifests.map(({ digest }) => digest));
  assert.deepEqual(new Set(kept.map(({ digest }) => digest)), wanted);
}

/** A manifest is complete exactly while its repository has all that a push of it would need. */
async function assertComplete({ database: { read } }: World): Promise<void> {
  const names = await namesOf(read);
  const links = await read.selectFrom('blob_links').select(['repository', 'digest']).execute();
  const manifests = await read
    .selectFrom('manifests')
    .innerJoin('manifest_bytes', 'manifest_bytes.digest', 'manifests.digest')
    .select(['repository', 'manifests.digest', 'media_type', 'complete', 'bytes'])
    .execute();
  const blobsHere = new Set(links.map(keyOf));
  const manifestsHere = new Set(manifests.map(keyOf));
  for (const { repository, digest, media_type, complete, bytes } of manifests) {
    const missing = parseManifest(bytes, media_type).references.filter((reference) => {
      const here = reference.kind === 'manifest' ? manifestsHere : blobsHere;
      return !reference.optional && !here.has(keyOf({ repository, digest: reference.digest }));
    });
    const about = `${names.get(repository)}@${digest} lacks ${missing.length}`;
    assert.equal(complete, missing.length === 0 ? 1 : 0, about);
  }
}

/** A project counts each digest that one of its repositories has, once. */
async function assertCounted({ database: { read } }: World): Promise<void> {
  const contents = await read.selectFrom('project_contents').selectAll().execute();
  const links = await read
    .selectFrom('blob_links')
    .innerJoin('repositories', 'repositories.id', 'blob_links.repository')
    .innerJoin('blobs', 'blobs.digest', 'blob_links.digest')
    .select(['project', 'blob_links.digest', 'size'])
    .execute();
  const manifests = await read
    .selectFrom('manifests')
    .innerJoin('repositories', 'repositories.id', 'manifests.repository')
    .select(['project', 'manifests.digest', 'size'])
    .execute();
  const held = new Set([...links, ...manifests].map(lineOf));
  assert.deepEqual(contents.map(lineOf).toSorted(), [...held].toSorted());
}

function lineOf(row: { project: number; digest: string; size: number }): string {
  return `${row.project} ${row.digest} ${row.size}`;
}

function keyOf({ repository, digest }: { repository: number; digest: string }): string {
  return `${repository}@${digest}`;
}

async function namesOf(read: World['database']['read']): Promise<ReadonlyMap<number, string>> {
  const rows = await read.selectFrom('repositories').select(['id', 'name']).execute();
  return new Map(rows.map(({ id, name }) => [id, name]));
}

/** Leaves the catalog without content, for the next run. */
export async function empty({ database, store, accessTimes }: World, pool: Pool): Promise<void> {
  await accessTimes.flush();
  await database.write(async (transaction) => {
    for (const table of [
      'repositories',
      'blobs',
      'manifest_bytes',
      'project_contents',
      'changes',
      'arrivals',
    ] as const) {
      await transaction.deleteFrom(table).execute();
    }
  });
  for (const { digest } of pool.blobs) await store.remove(digest);
}
