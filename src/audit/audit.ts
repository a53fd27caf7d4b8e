/** Who did what, from where, and whether it worked: rows that appear together with what they tell of. */
import type { Database, WriteTransaction } from '../database/database.ts';
import { type Listed, type ListQuery, listPage } from '../database/listing.ts';

/** Who is doing something. */
export interface Actor {
  /** A user's or robot's full name, `anonymous` for nobody. */
  readonly name: string;
  /** The client's. */
  readonly address: string;
}

export interface AuditEntry {
  readonly actor: Actor;
  readonly operation: string;
  readonly resourceType: string;
  readonly resource: string;
  /** The id of the project that it happened in, which keeps it when the name is somebody else's. */
  readonly project?: number | undefined;
  readonly succeeded: boolean;
  /** For people; nothing secret. */
  readonly detail: string;
  /** Milliseconds UTC. */
  readonly at: number;
}

export interface AuditRecord extends Omit<AuditEntry, 'actor' | 'project'> {
  readonly id: number;
  readonly actor: string;
  readonly address: string;
}

export interface Audit {
  /**
   * The newest first. Fields: `id`, `at`, `actor`, `address`, `operation`, `resourceType`, `resource`, `succeeded`.
   *
   * @throws ManagementError BAD_REQUEST
   */
  list(query: ListQuery, options?: { readonly project?: number }): Promise<Listed<AuditRecord>>;
  /**
   * Forgets what happened before `before` (milliseconds UTC), a few rows in each transaction; an abort stops between two.
   *
   * @returns how many it were
   */
  purge(before: number, options: { readonly signal: AbortSignal }): Promise<number>;
}

/** Bounds how long a purge holds the one writer. */
const PURGED_AT_ONCE = 1_000;

/** Writes one row, which stays if and only if the transaction does. */
export async function writeAudit(transaction: WriteTransaction, entry: AuditEntry): Promise<void> {
  await transaction
    .insertInto('audit')
    .values({
      at: entry.at,
      actor: entry.actor.name,
      operation: entry.operation,
      resource_type: entry.resourceType,
      resource: entry.resource,
      project: entry.project ?? null,
      succeeded: entry.succeeded ? 1 : 0,
      address: entry.actor.address,
      detail: entry.detail,
    })
    .execute();
}

export function createAudit(database: Database): Audit {
  return {
    async list(query, { project } = {}) {
      const rows = database.read
        .selectFrom('audit')
        .select(['id', 'at', 'actor', 'address', 'operation', 'resource', 'detail'])
        .select(['resource_type as resourceType', 'succeeded'])
        .$if(project !== undefined, (some) => some.where('project', '=', project ?? 0));
      const { items, total } = await listPage(rows, query, {
        fields: {
          id: ['id', 'integer'],
          at: ['at', 'time'],
          actor: ['actor', 'text'],
          address: ['address', 'text'],
          operation: ['operation', 'text'],
          resourceType: ['resource_type', 'text'],
          resource: ['resource', 'text'],
          succeeded: ['succeeded', 'flag'],
        },
        order: { column: 'id', descending: true },
      });
      return {
        items: items.map((row) => ({ ...row, succeeded: row.succeeded === 1 })),
        total,
      };
    },

    async purge(before, { signal }) {
      let purged = 0;
      while (!signal.aborted) {
        const gone = await database.write(async (transaction) => {
          const { numDeletedRows } = await transaction
            .deleteFrom('audit')
            .where('id', 'in', (rows) =>
              rows.selectFrom('audit').select('id').where('at', '<', before).limit(PURGED_AT_ONCE),
            )
            .executeTakeFirstOrThrow();
          return Number(numDeletedRows);
        });
        purged += gone;
        if (gone < PURGED_AT_ONCE) break;
      }
      return purged;
    },
  };
}
