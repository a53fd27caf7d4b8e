import { z } from 'zod';
import { type Actor, writeAudit } from '../audit/audit.ts';
import type { Database, Queries } from '../database/database.ts';
import { type Listed, type Listing, type ListQuery, listPage } from '../database/listing.ts';
import type { Tables } from '../database/tables.ts';
import { ManagementError } from '../oci/management-error.ts';

/** What a project may have, and has. Its id is the project's. */
export interface Quota {
  readonly id: number;
  readonly project: { readonly id: number; readonly name: string; readonly owner: string };
  /** Bytes, each digest once. */
  readonly used: number;
  /** Bytes; -1: any number. */
  readonly limit: number;
  /** Milliseconds UTC. */
  readonly createdAt: number;
  readonly updatedAt: number;
}

/**
 * Limits of owned content. That of a proxy project is counted and not enforced, since eviction bounds what is cached.
 */
export interface Quotas {
  /** Fields: `id`, `project` (an id), `used`, `limit`, `createdAt`. @throws ManagementError BAD_REQUEST */
  list(query: ListQuery): Promise<Listed<Quota>>;
  /** @throws ManagementError NOT_FOUND */
  get(id: number): Promise<Quota>;
  /** A limit below what is there deletes nothing, and takes nothing more. @throws ManagementError NOT_FOUND, BAD_REQUEST */
  set(id: number, limit: number, actor: Actor): Promise<void>;
}

const LISTING = {
  fields: {
    id: ['projects.id', 'integer'],
    project: ['projects.id', 'integer'],
    used: ['projects.storage_used', 'integer'],
    limit: ['projects.storage_limit', 'integer'],
    createdAt: ['projects.created_at', 'time'],
  },
  order: { column: 'projects.id', descending: false },
} as const satisfies Listing<Tables, 'projects'>;

export function createQuotas(options: { database: Database; now: () => number }): Quotas {
  const { database, now } = options;
  return {
    async list(query) {
      const { items, total } = await listPage(quotaRows(database.read), query, LISTING);
      return { items: items.map(quotaOf), total };
    },

    async get(id) {
      const row = await quotaRows(database.read).where('id', '=', id).executeTakeFirst();
      if (row === undefined) throw new ManagementError('NOT_FOUND', `quota ${id} not found`);
      return quotaOf(row);
    },

    async set(id, limit, actor) {
      checkLimit(limit);
      await database.write(async (transaction) => {
        const project = await transaction
          .updateTable('projects')
          .set({ storage_limit: limit })
          .where('id', '=', id)
          .where('deleted_at', 'is', null)
          .returning('name')
          .executeTakeFirst();
        if (project === undefined) throw new ManagementError('NOT_FOUND', `quota ${id} not found`);
        await writeAudit(transaction, {
          actor,
          operation: 'update',
          resourceType: 'quota',
          resource: project.name,
          project: id,
          succeeded: true,
          detail: `storage ${limit}`,
          at: now(),
        });
      });
    },
  };
}

/** Harbor's (v2.13, src/pkg/quota/driver/project): 1 PiB. */
const LARGEST = 2 ** 50;

/** What a project may have: bytes, or -1 for any number. */
export const StorageLimit = z
  .int()
  .min(-1)
  .max(LARGEST)
  .refine((bytes) => bytes !== 0, 'a number of bytes, or -1');

/** @throws ManagementError BAD_REQUEST */
export function checkLimit(bytes: number): void {
  if (StorageLimit.safeParse(bytes).success) return;
  const message = `a limit of storage is -1 or from 1 to ${LARGEST} bytes`;
  throw new ManagementError('BAD_REQUEST', message);
}

function quotaRows(queries: Queries) {
  return queries
    .selectFrom('projects')
    .select(['id', 'name', 'owner', 'storage_used', 'storage_limit', 'created_at', 'updated_at'])
    .where('deleted_at', 'is', null);
}

type QuotaRow = Awaited<ReturnType<ReturnType<typeof quotaRows>['executeTakeFirstOrThrow']>>;

function quotaOf({ id, name, owner, storage_used, storage_limit, ...row }: QuotaRow): Quota {
  return {
    id,
    project: { id, name, owner },
    used: storage_used,
    limit: storage_limit,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}
