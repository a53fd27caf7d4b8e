/** An artifact with what is below it and what hangs on it, which go and are copied together. */
import type { WriteTransaction } from '../database/database.ts';
import type { Digest } from '../oci/digest.ts';
import { OciError } from '../oci/error.ts';
import { ManagementError } from '../oci/management-error.ts';
import { parseManifest } from '../oci/manifest.ts';
import type { ArtifactRow } from './artifact-rows.ts';
import { linkBlob } from './blob-rows.ts';
import { hasParent, tagsOn } from './held-content.ts';
import { keepOwned, removeManifest } from './owned-manifests.ts';
import { ensureRepository, projectNameOf, type Repository } from './repositories.ts';
import type { Act } from './tag-rows.ts';

interface Node {
  readonly id: number;
  readonly digest: Digest;
}

/**
 * @throws OciError TAG_IMMUTABLE, ManagementError PRECONDITION while an index of the repository has it
 */
export async function removeWhole(
  transaction: WriteTransaction,
  row: ArtifactRow,
  act: Act,
): Promise<void> {
  const repository = repositoryOf(row);
  if (await hasParent(transaction, repository, row.digest)) {
    throw new ManagementError('PRECONDITION', 'the deleting artifact is referenced by others');
  }
  const left: Digest[] = [row.digest];
  for (let digest = left.shift(); digest !== undefined; digest = left.shift()) {
    const node = await nodeOf(transaction, repository, digest);
    if (node === undefined) continue;
    const children = await childrenOf(transaction, repository, node);
    const attached = await attachedTo(transaction, repository, node.digest);
    await removeManifest(transaction, repository, digest, act);
    for (const child of children) {
      const isTagged = (await tagsOn(transaction, repository, child.digest)).length > 0;
      if (isTagged || (await hasParent(transaction, repository, child.digest))) continue;
      left.push(child.digest);
    }
    for (const each of attached) {
      if (!(await hasParent(transaction, repository, each.digest))) left.push(each.digest);
    }
  }
}

/**
 * Children first, so that nothing is ever incomplete.
 *
 * @returns what was put there, and as what
 * @throws OciError as `keepOwned`, NAME_UNKNOWN (no such project), UNSUPPORTED into a proxy project
 */
export async function copyWhole(
  transaction: WriteTransaction,
  row: ArtifactRow,
  { to, tag, act }: { readonly to: string; readonly tag: string | undefined; readonly act: Act },
): Promise<{ readonly name: string; readonly project: number; readonly tags: readonly string[] }> {
  const { kind, references } = await projectOf(transaction, to);
  if (kind === 'proxy') throw cacheOnly(projectNameOf(to));
  const source = repositoryOf(row);
  const target = await ensureRepository(transaction, to, act.at);
  const tags = tag === undefined ? await tagsOn(transaction, source, row.digest) : [tag];
  const copied = new Set<Digest>();
  const copy = async (node: Node): Promise<void> => {
    if (copied.has(node.digest)) return;
    copied.add(node.digest);
    for (const child of await childrenOf(transaction, source, node)) await copy(child);
    await linkBlobs(transaction, { source, target, node }, act.at);
    const manifest = await contentOf(transaction, source, node.digest);
    const own = node.digest === row.digest ? tags : [];
    const owned = { ...manifest, tags: own, references, ownership: 'origin' } as const;
    await keepOwned(transaction, target, owned, act);
    for (const each of await attachedTo(transaction, source, node.digest)) await copy(each);
  };
  await copy(row);
  return { name: target.name, project: target.project, tags };
}

export function cacheOnly(project: string): OciError {
  const message = `project ${project} is a cache of its upstream, which alone decides what is in it`;
  return new OciError('UNSUPPORTED', { message });
}

export function repositoryOf({ repository: id, name, project }: ArtifactRow): Repository {
  return { id, name, project };
}

/** @throws OciError NAME_UNKNOWN */
export async function projectOf(transaction: WriteTransaction, repository: string) {
  const project = await transaction
    .selectFrom('projects')
    .select(['kind', 'reference_mode as references'])
    .where('name', '=', projectNameOf(repository))
    .where('deleted_at', 'is', null)
    .executeTakeFirst();
  if (project === undefined) throw new OciError('NAME_UNKNOWN', { detail: { name: repository } });
  return project;
}

async function linkBlobs(
  transaction: WriteTransaction,
  { source, target, node }: { source: Repository; target: Repository; node: Node },
  at: number,
): Promise<void> {
  const blobs = await transaction
    .selectFrom('manifest_references')
    .innerJoin('blob_links', 'blob_links.digest', 'manifest_references.digest')
    .select('blob_links.digest')
    .distinct()
    .where('manifest_references.manifest', '=', node.id)
    .where('manifest_references.kind', '!=', 'manifest')
    .where('blob_links.repository', '=', source.id)
    .execute();
  for (const { digest } of blobs) {
    await linkBlob(transaction, target, { digest, ownership: 'origin', at });
  }
}

async function contentOf(transaction: WriteTransaction, { id }: Repository, digest: Digest) {
  const { bytes, media_type } = await transaction
    .selectFrom('manifests')
    .innerJoin('manifest_bytes', 'manifest_bytes.digest', 'manifests.digest')
    .select(['manifest_bytes.bytes', 'manifests.media_type'])
    .where('manifests.repository', '=', id)
    .where('manifests.digest', '=', digest)
    .executeTakeFirstOrThrow();
  return { digest, bytes, parsed: parseManifest(bytes, media_type) };
}

async function nodeOf(transaction: WriteTransaction, { id }: Repository, digest: Digest) {
  return transaction
    .selectFrom('manifests')
    .select(['id', 'digest'])
    .where('repository', '=', id)
    .where('digest', '=', digest)
    .executeTakeFirst();
}

/** Those that are here. */
async function childrenOf(
  transaction: WriteTransaction,
  { id }: Repository,
  parent: Node,
): Promise<readonly Node[]> {
  return transaction
    .selectFrom('manifest_references')
    .innerJoin('manifests', 'manifests.digest', 'manifest_references.digest')
    .select(['manifests.id', 'manifests.digest'])
    .distinct()
    .where('manifest_references.manifest', '=', parent.id)
    .where('manifest_references.kind', '=', 'manifest')
    .where('manifests.repository', '=', id)
    .execute();
}

async function attachedTo(
  transaction: WriteTransaction,
  { id }: Repository,
  subject: Digest,
): Promise<readonly Node[]> {
  return transaction
    .selectFrom('manifests')
    .select(['id', 'digest'])
    .where('repository', '=', id)
    .where('subject', '=', subject)
    .orderBy('id')
    .execute();
}
