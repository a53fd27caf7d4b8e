/** What belongs to artifacts beside their own rows: tags, labels, children, what hangs on them, and their size in all. */
import { sql } from 'kysely';
import { z } from 'zod';
import { batchesOf } from '../database/batches.ts';
import type { Queries } from '../database/database.ts';
import {
  EVERYTHING,
  type Listed,
  type Listing,
  type ListQuery,
  listPage,
} from '../database/listing.ts';
import type { Tables } from '../database/tables.ts';
import type { Digest } from '../oci/digest.ts';
import { parseManifest } from '../oci/manifest.ts';
import type { ArtifactRow } from './artifact-rows.ts';
import { typeOfAccessory, typeOfArtifact } from './artifact-types.ts';
import { immutableIn } from './immutable-rules.ts';
import { type Label, labelOf, labelRows } from './labels.ts';

/** A manifest as people look at it. Times are milliseconds UTC. */
export interface Artifact {
  readonly id: number;
  readonly digest: Digest;
  readonly repository: { readonly id: number; readonly name: string; readonly project: number };
  /** `IMAGE`, `CHART`, … */
  readonly type: string;
  /** Of what it is about: its config's, where it has one. */
  readonly mediaType: string;
  readonly manifestMediaType: string;
  readonly artifactType: string | undefined;
  /** Bytes of the manifest and everything below it, each digest once. */
  readonly size: number;
  readonly pushedAt: number;
  readonly pulledAt: number | undefined;
  readonly annotations: Readonly<Record<string, string>>;
  readonly tags: readonly ArtifactTag[];
  readonly labels: readonly Label[];
  /** Of an index. */
  readonly references: readonly ArtifactReference[];
  readonly accessories: readonly Accessory[];
}

export interface ArtifactTag {
  readonly id: number;
  readonly name: string;
  /** Whether a rule of the project holds it. */
  readonly isImmutable: boolean;
  readonly pushedAt: number;
  readonly pulledAt: number | undefined;
}

export interface ArtifactReference {
  readonly digest: string;
  /** Undefined where the child is not here. */
  readonly id: number | undefined;
  readonly platform: Platform | undefined;
  readonly annotations: Readonly<Record<string, string>>;
  readonly urls: readonly string[];
}

/** As image-spec v1.1.1 "Image Index" has it. */
export type Platform = z.infer<typeof Platform>;

/** An artifact whose subject is another. */
export interface Accessory {
  readonly id: number;
  readonly digest: Digest;
  /** `signature.cosign`, …; `subject.accessory` where nothing more is known. */
  readonly type: string;
  /** Bytes in all. */
  readonly size: number;
  readonly subject: { readonly id: number; readonly digest: Digest };
  /** Milliseconds UTC. */
  readonly createdAt: number;
}

const Platform = z.object({
  architecture: z.string().optional(),
  os: z.string().optional(),
  'os.version': z.string().optional(),
  'os.features': z.array(z.string()).optional(),
  variant: z.string().optional(),
});
const Children = z.object({
  manifests: z
    .array(
      z.object({
        digest: z.string(),
        platform: Platform.optional().catch(undefined),
        annotations: z.record(z.string(), z.string()).catch({}).default({}),
        urls: z.array(z.string()).catch([]).default([]),
      }),
    )
    .catch([])
    .default([]),
});

const LARGEST = sql.lit(Number.MAX_SAFE_INTEGER);

/** In the same order. */
export async function artifactsOf(
  queries: Queries,
  rows: readonly ArtifactRow[],
): Promise<readonly Artifact[]> {
  const ids = rows.map(({ id }) => id);
  const sizes = await sizesOf(queries, ids);
  const configs = await configTypesOf(queries, ids);
  const artifacts: Artifact[] = [];
  for (const row of rows) {
    const manifest = await contentOf(queries, row);
    artifacts.push({
      id: row.id,
      digest: row.digest,
      repository: { id: row.repository, name: row.name, project: row.project },
      type: typeOfArtifact(row.media_type, row.artifact_type ?? undefined),
      mediaType: configs.get(row.id) ?? row.media_type,
      manifestMediaType: row.media_type,
      artifactType: row.artifact_type ?? undefined,
      size: sizes.get(row.id) ?? row.size,
      pushedAt: row.pushed_at,
      pulledAt: row.pulled_at ?? undefined,
      annotations: manifest.annotations,
      tags: (await tagsOf(queries, row, EVERYTHING)).items,
      labels: (
        await labelRows(queries)
          .where('labels.id', 'in', (query) =>
            query
              .selectFrom('manifest_labels')
              .select('manifest_labels.label')
              .where('manifest_labels.manifest', '=', row.id),
          )
          .execute()
      ).map(labelOf),
      references: await childrenOf(queries, row, manifest.children),
      accessories: (await accessoriesOf(queries, row, EVERYTHING)).items,
    });
  }
  return artifacts;
}

export async function tagsOf(
  queries: Queries,
  row: ArtifactRow,
  query: ListQuery,
): Promise<Listed<ArtifactTag>> {
  const rows = queries
    .selectFrom('tags')
    .select(['id', 'name', 'pushed_at', 'pulled_at'])
    .where('repository', '=', row.repository)
    .where('digest', '=', row.digest);
  const { items, total } = await listPage(rows, query, TAG_LISTING);
  const isImmutable = total === 0 ? () => false : await immutableIn(queries, row);
  const tags = items.map(({ id, name, pushed_at, pulled_at }) => ({
    id,
    name,
    isImmutable: isImmutable(name),
    pushedAt: pushed_at,
    pulledAt: pulled_at ?? undefined,
  }));
  return { items: tags, total };
}

const TAG_LISTING = {
  fields: {
    id: ['tags.id', 'integer'],
    name: ['tags.name', 'text'],
    pushedAt: ['tags.pushed_at', 'time'],
    pulledAt: ['tags.pulled_at', 'time'],
  },
  order: { column: 'tags.name', descending: false },
} as const satisfies Listing<Tables, 'tags'>;

/** Oldest first. */
export async function accessoriesOf(
  queries: Queries,
  subject: ArtifactRow,
  query: ListQuery,
): Promise<Listed<Accessory>> {
  const rows = queries
    .selectFrom('manifests')
    .select(['id', 'digest', 'artifact_type', 'size', 'pushed_at'])
    .where('repository', '=', subject.repository)
    .where('subject', '=', subject.digest);
  const { items, total } = await listPage(rows, query, ACCESSORY_LISTING);
  const sizes = await sizesOf(
    queries,
    items.map(({ id }) => id),
  );
  const accessories = items.map((row) => ({
    id: row.id,
    digest: row.digest,
    type: typeOfAccessory(row.artifact_type ?? undefined),
    size: sizes.get(row.id) ?? row.size,
    subject: { id: subject.id, digest: subject.digest },
    createdAt: row.pushed_at,
  }));
  return { items: accessories, total };
}

const ACCESSORY_LISTING = {
  fields: {
    id: ['manifests.id', 'integer'],
    digest: ['manifests.digest', 'text'],
    createdAt: ['manifests.pushed_at', 'time'],
  },
  order: { column: 'manifests.id', descending: false },
} as const satisfies Listing<Tables, 'manifests'>;

async function contentOf(queries: Queries, { digest, media_type }: ArtifactRow) {
  const { bytes } = await queries
    .selectFrom('manifest_bytes')
    .select('bytes')
    .where('digest', '=', digest)
    .executeTakeFirstOrThrow();
  const { annotations } = parseManifest(bytes, media_type);
  const json: unknown = JSON.parse(Buffer.from(bytes).toString());
  return { annotations, children: Children.parse(json).manifests };
}

async function childrenOf(
  queries: Queries,
  index: ArtifactRow,
  children: z.infer<typeof Children>['manifests'],
): Promise<readonly ArtifactReference[]> {
  if (children.length === 0) return [];
  // By the rows of its references: an index may list more than a query takes values.
  const known = await queries
    .selectFrom('manifest_references')
    .innerJoin('manifests', 'manifests.digest', 'manifest_references.digest')
    .select(['manifests.id', 'manifests.digest'])
    .distinct()
    .where('manifest_references.manifest', '=', index.id)
    .where('manifests.repository', '=', index.repository)
    .execute();
  const ids = new Map<string, number>(known.map(({ id, digest }) => [digest, id]));
  return children.map((child) => ({
    ...child,
    id: ids.get(child.digest),
    platform: child.platform,
  }));
}

async function configTypesOf(
  queries: Queries,
  ids: readonly number[],
): Promise<ReadonlyMap<number, string>> {
  const rows = await queries
    .selectFrom('manifest_references')
    .select(['manifest', 'media_type'])
    .where('manifest', 'in', [0, ...ids])
    .where('kind', '=', 'config')
    .execute();
  return new Map(rows.map(({ manifest, media_type }) => [manifest, media_type]));
}

/** Bytes of each and all that is below it here, by id. */
async function sizesOf(
  queries: Queries,
  ids: readonly number[],
): Promise<ReadonlyMap<number, number>> {
  const sizes = new Map<number, number>();
  for (const batch of batchesOf(ids)) {
    for (const { root, size } of await sizesWithin(queries, batch)) sizes.set(root, size);
  }
  return sizes;
}

/**
 * Content that may be elsewhere is as large as manifests say, who may say anything: added up as floats, which are exact up
 * to the largest number that is told, and do not overflow beyond.
 */
async function sizesWithin(queries: Queries, ids: readonly number[]) {
  const { rows } = await sql<{ root: number; size: number }>`
    with recursive reached (root, manifest, repository) as (
      select id, id, repository from manifests where id in (${sql.join(ids)})
      union
      select reached.root, child.id, child.repository
      from reached
      join manifest_references on manifest_references.manifest = reached.manifest
      join manifests child
        on child.repository = reached.repository and child.digest = manifest_references.digest
      where manifest_references.kind = 'manifest'
    ), contents (root, digest, size) as (
      select reached.root, manifests.digest, manifests.size
      from reached join manifests on manifests.id = reached.manifest
      union
      select reached.root, manifest_references.digest, manifest_references.size
      from reached join manifest_references on manifest_references.manifest = reached.manifest
      where manifest_references.kind <> 'manifest'
    ), sums (root, size) as (
      select root, sum(cast(size as double precision)) from contents group by root
    )
    select root, cast(
      case when size > ${LARGEST} then ${LARGEST} else size end as bigint
    ) as size from sums
  `.execute(queries);
  return rows;
}
