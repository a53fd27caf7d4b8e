import type { Database } from '../database/database.ts';
import { type Listed, type Listing, type ListQuery, listPage } from '../database/listing.ts';
import type { Tables } from '../database/tables.ts';
import { OciError } from '../oci/error.ts';
import type { Reference } from '../oci/reference.ts';
import {
  type Accessory,
  type Artifact,
  type ArtifactTag,
  accessoriesOf,
  artifactsOf,
  tagsOf,
} from './artifact-parts.ts';
import { artifactRows, conditionOf, isShown, requireArtifact } from './artifact-rows.ts';
import { requireRepository } from './repositories.ts';

/** What is in the repositories, as people look at it. Repositories are named with their project. */
export interface Artifacts {
  /**
   * Without children of indexes that have no tag of their own, and without what hangs on others. Newest first. Fields:
   * `id`, `digest`, `mediaType`, `artifactType`, `type`, `size` (of the manifest), `pushedAt`, `pulledAt`; `tags` by name,
   * `*` for some, `nil` for none; `labels` by id.
   *
   * @throws OciError NAME_UNKNOWN, ManagementError BAD_REQUEST
   */
  list(repository: string, query: ListQuery): Promise<Listed<Artifact>>;
  /** The same of all repositories of a project; `repository` is a field, too. @throws ManagementError BAD_REQUEST */
  listOf(project: number, query: ListQuery): Promise<Listed<Artifact>>;
  /** Whatever it is. @throws OciError NAME_UNKNOWN, MANIFEST_UNKNOWN */
  get(repository: string, reference: Reference): Promise<Artifact>;
  /** Fields: `id`, `name`, `pushedAt`, `pulledAt`. @throws as `get`, ManagementError BAD_REQUEST */
  tags(repository: string, reference: Reference, query: ListQuery): Promise<Listed<ArtifactTag>>;
  /** What hangs on it, oldest first. Fields: `id`, `digest`, `createdAt`. @throws as `get`, ManagementError BAD_REQUEST */
  accessories(
    repository: string,
    reference: Reference,
    query: ListQuery,
  ): Promise<Listed<Accessory>>;
}

const LISTING = {
  fields: {
    id: ['manifests.id', 'integer'],
    digest: ['manifests.digest', 'text'],
    mediaType: ['manifests.media_type', 'text'],
    artifactType: ['manifests.artifact_type', 'text'],
    size: ['manifests.size', 'integer'],
    repository: ['repositories.name', 'text'],
    pushedAt: ['manifests.pushed_at', 'time'],
    pulledAt: ['manifests.pulled_at', 'time'],
  },
  order: { column: 'manifests.id', descending: true },
} as const satisfies Listing<Tables, 'manifests' | 'repositories'>;

export function createArtifacts({ database }: { readonly database: Database }): Artifacts {
  const { read } = database;
  const page = async (
    rows: ReturnType<typeof artifactRows>,
    query: ListQuery,
  ): Promise<Listed<Artifact>> => {
    const shown = rows
      .where(isShown)
      .where((is) =>
        is.and(
          query.filters.map((each) => conditionOf(each, is)).filter((each) => each !== undefined),
        ),
      );
    const { items, total } = await listPage(shown, query, LISTING);
    return { items: await artifactsOf(read, items), total };
  };
  return {
    async list(name, query) {
      const { id } = await requireRepository(read, name);
      return page(artifactRows(read).where('manifests.repository', '=', id), query);
    },

    listOf: (project, query) =>
      page(artifactRows(read).where('repositories.project', '=', project), query),

    async get(repository, reference) {
      const row = await requireArtifact(read, repository, reference);
      const [artifact] = await artifactsOf(read, [row]);
      if (artifact === undefined) throw new OciError('MANIFEST_UNKNOWN', { detail: reference });
      return artifact;
    },

    async tags(repository, reference, query) {
      return tagsOf(read, await requireArtifact(read, repository, reference), query);
    },

    async accessories(repository, reference, query) {
      return accessoriesOf(read, await requireArtifact(read, repository, reference), query);
    },
  };
}
