import { LRUCache } from 'lru-cache';
import type { Database, Queries } from '../database/database.ts';
import type { ManifestRow, Ownership, TagRow } from '../database/tables.ts';
import type { Digest } from '../oci/digest.ts';
import type { Reference } from '../oci/reference.ts';

/** A manifest as a repository has it. The same object for the same reference until something about it changes. */
export interface StoredManifest {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly artifactType: string | undefined;
  readonly subject: Digest | undefined;
  /** Bytes. */
  readonly size: number;
  /** Exactly as they came. Shared: not to be written to. */
  readonly bytes: Buffer;
  readonly ownership: Ownership;
  /** Whether everything that it refers to is in the repository. */
  readonly complete: boolean;
  /** The one that it was found by. */
  readonly tag: FoundTag | undefined;
}

/** A tag of a repository. */
export interface FoundTag {
  readonly name: string;
  readonly ownership: Ownership;
  /** When upstream last confirmed that it points here, of cached tags. Milliseconds UTC. */
  readonly checkedAt: number | undefined;
}

interface Known {
  readonly revision: number;
  readonly manifest: StoredManifest;
}

interface Lookup {
  readonly revision: number;
  readonly manifest: Promise<StoredManifest | undefined>;
}

/** What an entry costs beside its bytes. */
const ENTRY_BYTES = 1024;

/**
 * Finds manifests, and keeps those found in memory. An entry holds as long as nothing was committed; afterwards its row
 * is read again, and its bytes only where they are others.
 */
export class FoundManifests {
  readonly #database: Database;
  readonly #known: LRUCache<string, Known>;
  readonly #lookups = new Map<string, Lookup>();

  constructor(database: Database, { memoryBytes }: { readonly memoryBytes: number }) {
    this.#database = database;
    this.#known = new LRUCache({
      maxSize: Math.max(memoryBytes, 1),
      sizeCalculation: ({ manifest }) => manifest.bytes.length + ENTRY_BYTES,
    });
  }

  async find(repository: string, reference: Reference): Promise<StoredManifest | undefined> {
    const key = keyOf(repository, reference);
    const revision = this.#database.revision();
    const known = this.#known.get(key);
    if (known?.revision === revision) return known.manifest;
    const running = this.#lookups.get(key);
    // One that began before a commit may have read what was before it.
    if (running?.revision === revision) return running.manifest;
    const lookup = { revision, manifest: this.#load(repository, reference, known?.manifest) };
    this.#lookups.set(key, lookup);
    try {
      const manifest = await lookup.manifest;
      if (manifest === undefined) this.#known.delete(key);
      else this.#known.set(key, { revision, manifest });
      return manifest;
    } finally {
      if (this.#lookups.get(key) === lookup) this.#lookups.delete(key);
    }
  }

  async #load(
    repository: string,
    reference: Reference,
    known: StoredManifest | undefined,
  ): Promise<StoredManifest | undefined> {
    const { read } = this.#database;
    const row = await rowOf(read, repository, reference);
    if (row === undefined) return undefined;
    if (known?.digest !== row.digest) {
      const bytes = await bytesOf(read, row.digest);
      // Deleted between the two reads.
      return bytes === undefined ? undefined : manifestOf(row, bytes);
    }
    const manifest = manifestOf(row, known.bytes);
    return isSame(manifest, known) ? known : manifest;
  }
}

type FoundRow = Pick<
  ManifestRow,
  'digest' | 'media_type' | 'artifact_type' | 'subject' | 'size' | 'ownership' | 'complete'
> & { readonly tag?: Pick<TagRow, 'name' | 'ownership' | 'checked_at'> };

async function rowOf(
  queries: Queries,
  repository: string,
  reference: Reference,
): Promise<FoundRow | undefined> {
  const manifests = queries
    .selectFrom('repositories')
    .innerJoin('manifests', 'manifests.repository', 'repositories.id')
    .select([
      'manifests.digest',
      'manifests.media_type',
      'manifests.artifact_type',
      'manifests.subject',
      'manifests.size',
      'manifests.ownership',
      'manifests.complete',
    ])
    .where('repositories.name', '=', repository);
  if (reference.kind === 'digest') {
    return manifests.where('manifests.digest', '=', reference.digest).executeTakeFirst();
  }
  const row = await manifests
    .innerJoin('tags', (join) =>
      join
        .onRef('tags.repository', '=', 'manifests.repository')
        .onRef('tags.digest', '=', 'manifests.digest'),
    )
    .select(['tags.ownership as tag_ownership', 'tags.checked_at'])
    .where('tags.name', '=', reference.tag)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  const { tag_ownership: ownership, checked_at } = row;
  return { ...row, tag: { name: reference.tag, ownership, checked_at } };
}

async function bytesOf(queries: Queries, digest: Digest): Promise<Buffer | undefined> {
  const row = await queries
    .selectFrom('manifest_bytes')
    .select('bytes')
    .where('digest', '=', digest)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  const { buffer, byteOffset, byteLength } = row.bytes;
  return Buffer.from(buffer, byteOffset, byteLength);
}

function manifestOf(row: FoundRow, bytes: Buffer): StoredManifest {
  const { tag } = row;
  return {
    digest: row.digest,
    mediaType: row.media_type,
    artifactType: row.artifact_type ?? undefined,
    subject: row.subject ?? undefined,
    size: row.size,
    bytes,
    ownership: row.ownership,
    complete: row.complete === 1,
    tag: tag && {
      name: tag.name,
      ownership: tag.ownership,
      checkedAt: tag.checked_at ?? undefined,
    },
  };
}

function isSame(one: StoredManifest, other: StoredManifest): boolean {
  return (
    one.mediaType === other.mediaType &&
    one.artifactType === other.artifactType &&
    one.ownership === other.ownership &&
    one.complete === other.complete &&
    one.tag?.ownership === other.tag?.ownership &&
    one.tag?.checkedAt === other.tag?.checkedAt
  );
}

function keyOf(repository: string, reference: Reference): string {
  return reference.kind === 'tag'
    ? `${repository}:${reference.tag}`
    : `${repository}@${reference.digest}`;
}
