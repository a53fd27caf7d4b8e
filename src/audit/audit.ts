/** Who did what, from where, and whether it worked: rows that appear together with what they tell of. */
import { z } from 'zod';
import type { Database, Queries, WriteTransaction } from '../database/database.ts';
import { type Listed, type ListQuery, listPage } from '../database/listing.ts';
import { type AuditEvent, eventTypesIn } from './events.ts';

/** Who is doing something. */
export interface Actor {
  /** A user's or robot's full name, `anonymous` for nobody. */
  readonly name: string;
  /** The client's. */
  readonly address: string;
}

interface AuditFacts {
  readonly actor: Actor;
  readonly resource: string;
  /** The id of the project that it happened in, which keeps it when the name is somebody else's. */
  readonly project?: number | undefined;
  readonly succeeded: boolean;
  /** For people; nothing secret. */
  readonly detail: string;
  /** Milliseconds UTC. */
  readonly at: number;
}

export type AuditEntry = AuditFacts & AuditEvent;

export interface AuditRecord extends Omit<AuditFacts, 'actor' | 'project'> {
  readonly id: number;
  readonly operation: string;
  readonly resourceType: string;
  readonly actor: string;
  readonly address: string;
}

export interface Audit {
  /**
   * The newest first. Fields: `id`, `at`, `actor`, `address`, `operation`, `resourceType`, `resource`, `succeeded`.
   *
   * @throws ManagementError BAD_REQUEST
   */
  list(
    query: ListQuery,
    options?: {
      /** Ids; undefined: of all, and of what is of none. */
      readonly projects?: readonly number[] | undefined;
    },
  ): Promise<Listed<AuditRecord>>;
  /**
   * Forgets what happened before `before` (milliseconds UTC), a few rows in each transaction; an abort stops between two.
   *
   * @returns how many it were
   */
  purge(before: number, options: { readonly signal: AbortSignal }): Promise<number>;
}

/** Bounds how long a purge holds the one writer. */
const PURGED_AT_ONCE = 1_000;

/** Of a setting: the types of events that nobody wants told, as text. */
export const UNTOLD = 'disabledAuditEvents';
/** Rows of one statement, within what engines take as parameters. */
const AT_ONCE = 100;

/** Writes one row, which stays if and only if the transaction does; none of an event that nobody wants told. */
export function writeAudit(transaction: WriteTransaction, entry: AuditEntry): Promise<void> {
  return writeAudits(transaction, [entry]);
}

/** The same of several. */
export async function writeAudits(
  transaction: WriteTransaction,
  entries: readonly AuditEntry[],
): Promise<void> {
  const untold = await untoldEvents(transaction);
  const rows = entries
    .filter(({ operation, resourceType }) => !untold.has(`${operation}_${resourceType}`))
    .map(rowOf);
  for (let from = 0; from < rows.length; from += AT_ONCE) {
    await transaction
      .insertInto('audit')
      .values(rows.slice(from, from + AT_ONCE))
      .execute();
  }
}

async function untoldEvents(queries: Queries): Promise<ReadonlySet<string>> {
  const row = await queries
    .selectFrom('settings')
    .select('value')
    .where('name', '=', UNTOLD)
    .executeTakeFirst();
  return new Set(row === undefined ? [] : eventTypesIn(z.string().parse(JSON.parse(row.value))));
}

function rowOf(entry: AuditEntry) {
  return {
    at: entry.at,
    actor: entry.actor.name,
    operation: entry.operation,
    resource_type: entry.resourceType,
    resource: entry.resource,
    project: entry.project ?? null,
    succeeded: entry.succeeded ? (1 as const) : (0 as const),
    address: entry.actor.address,
    detail: entry.detail,
  };
}

export function createAudit(database: Database): Audit {
  return {
    async list(query, { projects } = {}) {
      const rows = database.read
        .selectFrom('audit')
        .select(['id', 'at', 'actor', 'address', 'operation', 'resource', 'detail'])
        .select(['resource_type as resourceType', 'succeeded'])
        // PostgreSQL knows no empty list, and nothing has the id 0.
        .$if(projects !== undefined, (some) =>
          some.where('project', 'in', [0, ...(projects ?? [])]),
        );
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
