import { z } from 'zod';
import { type Actor, UNTOLD, writeAudit } from '../audit/audit.ts';
import { eventTypesIn, isEventType } from '../audit/events.ts';
import type { Database, Queries } from '../database/database.ts';
import { remembered } from '../database/remembered.ts';
import { OciError } from '../oci/error.ts';
import { ManagementError } from '../oci/management-error.ts';
import { StorageLimit } from './quotas.ts';

/** Harbor's, an int32. */
const MOST_DAYS = 2 ** 31 - 1;

const SCHEMA = z.strictObject({
  /** Who makes projects besides system admins. */
  projectCreation: z.enum(['adminonly', 'everyone']).default('adminonly'),
  /** Of robots that say nothing themselves; -1: for ever. */
  robotDurationDays: z
    .int()
    .min(-1)
    .max(MOST_DAYS)
    .refine((days) => days !== 0, 'a number of days, or -1')
    .default(30),
  /** How long a token is good. */
  tokenMinutes: z.int().min(1).max(30).default(5),
  /** Bytes that a new project may have; -1: any number. */
  storagePerProject: StorageLimit.default(-1),
  /** Whether nobody pushes, deletes or tags anything. What is pulled through is cached all the same. */
  readOnly: z.boolean().default(false),
  /** What the audit log tells nothing of, divided by commas. */
  [UNTOLD]: z
    .string()
    .refine((text) => eventTypesIn(text).every(isEventType), {
      error: ({ input }) => `${unknownIn(String(input))} is no type of event`,
    })
    .default(''),
});

/** What the node is told by the API and not by its configuration file. Only what something here obeys. */
export type Settings = Readonly<z.infer<typeof SCHEMA>>;

export interface NodeSettings {
  /** Answered from memory while nothing was committed. */
  current(): Promise<Settings>;
  /** What it does not name stays. @throws ManagementError BAD_REQUEST that names what is wrong, and then nothing has changed */
  change(settings: Readonly<Record<string, unknown>>, actor: Actor): Promise<void>;
}

export function createSettings(options: {
  readonly database: Database;
  /** Milliseconds UTC. */
  readonly now: () => number;
}): NodeSettings {
  const { database, now } = options;
  const current = remembered<Settings>(database, async () =>
    SCHEMA.parse(await written(database.read)),
  );
  return {
    current,

    async change(settings, actor) {
      checkSettings(settings);
      await database.write(async (transaction) => {
        const at = now();
        // Before the change, so that turning the log off is in it.
        await writeAudit(transaction, {
          actor,
          operation: 'update',
          resourceType: 'configuration',
          resource: Object.keys(settings).join(', '),
          succeeded: true,
          detail: JSON.stringify(settings),
          at,
        });
        for (const [name, value] of Object.entries(settings)) {
          const row = { value: JSON.stringify(value), updated_at: at };
          await transaction
            .insertInto('settings')
            .values({ name, ...row })
            .onConflict((conflict) => conflict.column('name').doUpdateSet(row))
            .execute();
        }
      });
    },
  };
}

function unknownIn(text: string): string {
  return eventTypesIn(text).find((type) => !isEventType(type)) ?? '';
}

/** @throws OciError DENIED in the words of Harbor, while the node is to be read only */
export async function refuseReadOnly(queries: Queries): Promise<void> {
  const row = await queries
    .selectFrom('settings')
    .select('value')
    .where('name', '=', 'readOnly')
    .executeTakeFirst();
  if (row?.value !== 'true') return;
  throw new OciError('DENIED', { message: 'the system is in read only mode' });
}

async function written(queries: Queries): Promise<Record<string, unknown>> {
  const rows = await queries.selectFrom('settings').select(['name', 'value']).execute();
  return Object.fromEntries(
    rows.map(({ name, value }): [string, unknown] => [name, JSON.parse(value)]),
  );
}

function checkSettings(settings: Readonly<Record<string, unknown>>): void {
  const { error } = SCHEMA.partial().safeParse(settings);
  if (error === undefined) return;
  const [issue] = error.issues;
  const name = issue?.code === 'unrecognized_keys' ? issue.keys[0] : issue?.path.join('.');
  const problem = issue?.code === 'unrecognized_keys' ? 'nothing here obeys it' : issue?.message;
  throw new ManagementError('BAD_REQUEST', `${name}: ${problem}`);
}
