import type { ExpressionBuilder } from 'kysely';
import type { Database, Queries, WriteTransaction } from '../database/database.ts';
import type { Tables } from '../database/tables.ts';
import { OciError } from '../oci/error.ts';
import { dropEmptyRepositories } from './empty-repositories.ts';

export interface Repository {
  readonly id: number;
  /** The canonical name, project included. */
  readonly name: string;
  /** The project's row id. */
  readonly project: number;
}

export interface RepositoryPage {
  /** Names of projects. */
  readonly projects: readonly string[];
  /** Only names after this one, in byte order. */
  readonly last?: string | undefined;
  /** At most so many. */
  readonly limit?: number | undefined;
}

/** The repositories of this node. */
export type Repositories = ReturnType<typeof createRepositories>;

export function createRepositories(database: Database) {
  return {
    async find(name: string): Promise<Repository | undefined> {
      return findRepository(database.read, name);
    },

    /** Names in byte order, of those that hold a manifest: an upload that came to nothing does not show. */
    async list({ projects, last, limit }: RepositoryPage): Promise<readonly string[]> {
      if (projects.length === 0 || limit === 0) return [];
      let query = database.read
        .selectFrom('repositories')
        .innerJoin('projects', 'projects.id', 'repositories.project')
        .select('repositories.name')
        .where('projects.name', 'in', projects)
        .where('projects.deleted_at', 'is', null)
        .where(holdsManifest)
        .orderBy('repositories.name');
      if (last !== undefined) query = query.where('repositories.name', '>', last);
      if (limit !== undefined) query = query.limit(limit);
      return (await query.execute()).map(({ name }) => name);
    },

    /** Those made until then (milliseconds UTC) that nothing is in, or ever was tagged in. Aborting ends it early. @returns how many */
    async dropEmpty(
      before: number,
      { signal }: { readonly signal?: AbortSignal | undefined } = {},
    ): Promise<number> {
      return dropEmptyRepositories(database, { before, signal });
    },
  };
}

/** For a `where`: what never got a manifest, or lost the last one, does not show. */
export function holdsManifest(is: ExpressionBuilder<Tables, 'repositories'>) {
  return is.exists(
    is
      .selectFrom('manifests')
      .select('manifests.id')
      .whereRef('manifests.repository', '=', 'repositories.id'),
  );
}

async function findRepository(queries: Queries, name: string): Promise<Repository | undefined> {
  return queries
    .selectFrom('repositories')
    .select(['id', 'name', 'project'])
    .where('name', '=', name)
    .executeTakeFirst();
}

/** @throws OciError NAME_UNKNOWN */
export async function requireRepository(queries: Queries, name: string): Promise<Repository> {
  const repository = await findRepository(queries, name);
  if (repository === undefined) throw new OciError('NAME_UNKNOWN', { detail: { name } });
  return repository;
}

/**
 * Made by the first write into it.
 *
 * @param projectId only where its project is that one: another may have its name by now
 * @throws OciError NAME_UNKNOWN where there is no such project
 */
export async function ensureRepository(
  transaction: WriteTransaction,
  name: string,
  now: number,
  projectId?: number,
): Promise<Repository> {
  const isOther = (id: number): boolean => projectId !== undefined && id !== projectId;
  const known = await findRepository(transaction, name);
  if (known !== undefined && !isOther(known.project)) return known;
  if (known !== undefined) throw new OciError('NAME_UNKNOWN', { detail: { name } });
  const project = await transaction
    .selectFrom('projects')
    .select('id')
    .where('name', '=', projectNameOf(name))
    .where('deleted_at', 'is', null)
    .executeTakeFirst();
  if (project === undefined || isOther(project.id)) {
    throw new OciError('NAME_UNKNOWN', { detail: { name } });
  }
  return transaction
    .insertInto('repositories')
    .values({ project: project.id, name, pull_count: 0, created_at: now, updated_at: now })
    .returning(['id', 'name', 'project'])
    .executeTakeFirstOrThrow();
}

/** A project is the first part of the names of its repositories. */
export function projectNameOf(repository: string): string {
  return repository.split('/', 1)[0] ?? '';
}
