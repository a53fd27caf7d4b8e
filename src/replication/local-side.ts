import { LOCAL } from '../../policies/replication.ts';
import type { Blobs } from '../catalog/blobs.ts';
import type { Manifests } from '../catalog/manifests.ts';
import type { Project, Projects } from '../catalog/projects.ts';
import type { Referrer, Referrers } from '../catalog/referrers.ts';
import type { CopyingAct, HeldTag, Replicas } from '../catalog/replicas.ts';
import { projectNameOf, type Repositories } from '../catalog/repositories.ts';
import { OciError } from '../oci/error.ts';
import { parseReference } from '../oci/reference.ts';
import type { BlobStore } from '../storage/blob-store.ts';
import type { StartedFill } from '../transfer/fill-records.ts';
import type { FillSource } from '../transfer/fill-source.ts';
import type { ResumedFill, Transfers } from '../transfer/transfers.ts';
import { streamOf } from './blob-stream.ts';
import type { Destination, Source, SourceBlob } from './sides.ts';

export interface LocalParts {
  readonly projects: Pick<Projects, 'list' | 'get'>;
  readonly repositories: Pick<Repositories, 'list'>;
  readonly manifests: Pick<Manifests, 'find'>;
  readonly referrers: Pick<Referrers, 'list'>;
  readonly replicas: Replicas;
  readonly blobs: Pick<Blobs, 'find' | 'link' | 'heldByProject'>;
  readonly store: Pick<BlobStore, 'open'>;
  readonly transfers: Pick<Transfers, 'bring'>;
}

/** Rows of one query. */
const PAGE = 500;

export function localSource(parts: LocalParts): Source {
  const { projects, repositories, manifests, referrers, replicas, blobs, store } = parts;
  return {
    endpoint: LOCAL,
    host: undefined,
    async *repositories() {
      const names = (await projects.list()).map(({ name }) => name);
      for (let last: string | undefined; ; ) {
        const page = await repositories.list({ projects: names, last, limit: PAGE });
        yield* page;
        last = page.at(-1);
        if (page.length < PAGE) return;
      }
    },
    tags: (repository) => allTags(replicas, repository, { withCached: true }),
    labels: (repository, digest) => replicas.labels(repository, digest),
    async digestOf(repository, tag) {
      const found = await manifests.find(repository, { kind: 'tag', tag });
      if (found === undefined) throw new OciError('MANIFEST_UNKNOWN', { detail: tag });
      return found.digest;
    },
    async manifest(repository, digest) {
      const found = await manifests.find(repository, { kind: 'digest', digest });
      if (found === undefined) throw await notHere(projects, repository, 'MANIFEST_UNKNOWN');
      const { bytes, mediaType } = found;
      return { bytes, descriptor: { mediaType, digest, size: bytes.length } };
    },
    async referrers(repository, subject) {
      const all: Referrer[] = [];
      for (let last: string | undefined; ; ) {
        const page = await referrers.list(repository, subject, { last });
        all.push(...page.referrers);
        last = page.next;
        if (last === undefined) return all;
      }
    },
    hasBlob: async (repository, digest) => (await blobs.find(repository, digest)) !== undefined,
    async blob(repository, digest, range) {
      if ((await blobs.find(repository, digest)) === undefined) {
        throw await notHere(projects, repository, 'BLOB_UNKNOWN');
      }
      const reader = await store.open(digest);
      return { start: range.start, size: reader.size, content: streamOf(reader, range) };
    },
  };
}

/** What was pulled through comes bit by bit: what is not here yet may be in a while. */
async function notHere(
  projects: Pick<Projects, 'get'>,
  repository: string,
  code: 'MANIFEST_UNKNOWN' | 'BLOB_UNKNOWN',
): Promise<OciError> {
  const { kind } = await projectOf(projects, repository);
  if (kind === 'hosted') return new OciError(code);
  return new OciError('UNAVAILABLE', { message: 'it has not been pulled through as yet' });
}

/** `act` is what the history, the feed and the audit log say of what is put here, `from` the endpoint that it comes from. */
export function localDestination(
  parts: LocalParts,
  { from, ...act }: CopyingAct & { readonly from: string },
): Destination {
  const { projects: known, replicas } = parts;
  const projects = { get: (name: string) => known.get(name) };
  const writable = async (repository: string): Promise<Project> => {
    const project = await projectOf(projects, repository);
    if (project.kind === 'hosted' || project.endpoints.includes(from)) return project;
    const message = `project ${project.name} is a cache of another registry than ${from}`;
    throw new OciError('DENIED', { message });
  };
  return {
    endpoint: LOCAL,
    host: undefined,
    async admit(repository) {
      await writable(repository);
    },
    // Projects are made by people.
    prepare: () => Promise.resolve(),
    held: (repository, reference) => replicas.held(repository, parseReference(reference)),
    async tags(repository) {
      const tags = await allTags(replicas, repository, { withCached: false });
      return new Map(tags.map((tag) => [tag.name, tag]));
    },
    listed: (repository) => allTags(replicas, repository, { withCached: false }),
    missingBlobs: (repository, digests) => replicas.missingBlobs(repository, digests),
    async copyBlob(blob, repository, { signal, moved }) {
      const project = await writable(repository);
      if (blob.source.endpoint === LOCAL) return linked(parts, blob, repository);
      // Its members may see it already, whichever repository of it has the bytes.
      if (await parts.blobs.heldByProject(project.id, blob.digest)) {
        await parts.blobs.link(repository, blob.digest, 'replica');
        return 'mounted';
      }
      const source = fillSourceOf(blob, project);
      await parts.transfers.bring(
        { digest: blob.digest, size: blob.size, repository, source },
        { signal, arrived: moved },
      );
      return 'copied';
    },
    async put(repository, manifest, { tag, isSparse }) {
      const { references } = await writable(repository);
      await replicas.put(repository, {
        ...act,
        manifest,
        tags: tag === undefined ? [] : [tag],
        references: isSparse ? 'sparse' : references,
      });
    },
    removeTag: (repository, tag, { expected }) =>
      replicas.removeTag(repository, { tag, expected }, act),
  };
}

/** Bytes that are here already, of this node's own repositories. */
async function linked(
  { blobs }: LocalParts,
  { repository: from, digest }: SourceBlob,
  repository: string,
): Promise<'mounted'> {
  if ((await blobs.find(from, digest)) === undefined) {
    throw new OciError('BLOB_UNKNOWN', { detail: digest });
  }
  await blobs.link(repository, digest, 'replica');
  return 'mounted';
}

/**
 * A fill that a former process began for a policy: its task asks again, and what arrived is kept until then. Undefined
 * where the project is none of this node's own, or another one by now.
 */
export async function awaitedFill(
  projects: Pick<Projects, 'get'>,
  { repository, startedAt }: Pick<StartedFill, 'repository' | 'startedAt'>,
): Promise<ResumedFill | undefined> {
  const project = await projects.get(projectNameOf(repository));
  if (project === undefined || project.kind === 'proxy' || project.createdAt > startedAt) {
    return undefined;
  }
  const source = {
    ...ownedBy(project),
    open: () => Promise.reject(new OciError('UNAVAILABLE', { message: 'its task asks again' })),
  };
  return { source, isAwaited: true };
}

/** What our credential may read there, the members of the project may read here, and nobody else. */
function ownedBy({ id, isPublic }: Project) {
  return {
    project: id,
    privateTo: isPublic ? undefined : String(id),
    ownership: 'replica',
  } as const;
}

function fillSourceOf({ source, repository, digest }: SourceBlob, project: Project): FillSource {
  return {
    host: source.host,
    ...ownedBy(project),
    inParts: source.isPaced !== true,
    open: (range, options) => source.blob(repository, digest, range, options),
  };
}

/** @throws OciError NAME_UNKNOWN where there is no such project */
async function projectOf(projects: Pick<Projects, 'get'>, repository: string): Promise<Project> {
  const project = await projects.get(projectNameOf(repository));
  if (project !== undefined) return project;
  const message = `there is no project for ${repository} on this node`;
  throw new OciError('NAME_UNKNOWN', { message });
}

async function allTags(
  replicas: Pick<Replicas, 'heldTags'>,
  repository: string,
  { withCached }: { readonly withCached: boolean },
): Promise<readonly HeldTag[]> {
  const tags: HeldTag[] = [];
  for (let after: string | undefined; ; ) {
    const page = await replicas.heldTags(repository, { after, limit: PAGE, withCached });
    tags.push(...page);
    after = page.at(-1)?.name;
    if (page.length < PAGE) return tags;
  }
}
