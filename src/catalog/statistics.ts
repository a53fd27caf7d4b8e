import { sql } from 'kysely';
import type { Database, Queries } from '../database/database.ts';
import { EVERYTHING } from '../database/listing.ts';
import {
  listProjects,
  type ManagedProject,
  type Visible,
  visibleProject,
} from './managed-projects.ts';
import { holdsManifest } from './repositories.ts';
import { listRepositories, type ManagedRepository } from './repository-administration.ts';

export interface Counts {
  readonly projects: number;
  /** Those that hold a manifest. */
  readonly repositories: number;
}

/** The projects that a caller may know of, and those whose repositories. */
interface Seen {
  readonly projects: Visible;
  readonly repositories: Visible;
}

/** What a caller may know of the node as a whole. */
export interface Statistics {
  counts(seen: Seen): Promise<{ readonly public: Counts; readonly private: Counts }>;
  /** Bytes of all blobs, each once, whoever has them. */
  storedBytes(): Promise<number>;
  /** By a part of the name, in any letter case; all of them. */
  search(text: string, seen: Seen): Promise<SearchResult>;
}

export interface SearchResult {
  readonly projects: readonly ManagedProject[];
  readonly repositories: readonly ManagedRepository[];
}

export function createStatistics({ database }: { readonly database: Database }): Statistics {
  const { read } = database;
  return {
    async counts(seen) {
      const projects = await projectCounts(read, seen.projects);
      const repositories = await repositoryCounts(read, seen.repositories);
      const of = (flag: 0 | 1): Counts => ({
        projects: projects.get(flag) ?? 0,
        repositories: repositories.get(flag) ?? 0,
      });
      return { public: of(1), private: of(0) };
    },

    async storedBytes() {
      const { bytes } = await read
        .selectFrom('blobs')
        .select(sql<number>`cast(coalesce(sum(size), 0) as bigint)`.as('bytes'))
        .where('condemned_at', 'is', null)
        .executeTakeFirstOrThrow();
      return bytes;
    },

    async search(text, seen) {
      const filters = [{ field: 'name', kind: 'fuzzy', value: text }] as const;
      const query = { ...EVERYTHING, filters };
      const projects = await listProjects(read, query, seen.projects);
      const repositories = await listRepositories(read, query, seen.repositories);
      return { projects: projects.items, repositories: repositories.items };
    },
  };
}

async function projectCounts(queries: Queries, visible: Visible) {
  const rows = await queries
    .selectFrom('projects')
    .select((row) => ['public', row.fn.countAll().as('count')])
    .where('deleted_at', 'is', null)
    .where((is) => visibleProject(is, visible))
    .groupBy('public')
    .execute();
  return new Map(rows.map((row) => [row.public, Number(row.count)]));
}

async function repositoryCounts(queries: Queries, visible: Visible) {
  const rows = await queries
    .selectFrom('repositories')
    .innerJoin('projects', 'projects.id', 'repositories.project')
    .select((row) => ['projects.public', row.fn.countAll().as('count')])
    .where('projects.deleted_at', 'is', null)
    .where((is) => visibleProject(is, visible))
    .where(holdsManifest)
    .groupBy('projects.public')
    .execute();
  return new Map(rows.map((row) => [row.public, Number(row.count)]));
}
