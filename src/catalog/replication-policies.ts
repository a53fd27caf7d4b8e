import { ReplicationPolicy } from '../../policies/replication.ts';
import { conflictText, conflictWith } from '../../policies/replication-conflicts.ts';
import { loopText, loopThrough } from '../../policies/replication-loops.ts';
import { type Actor, writeAudit } from '../audit/audit.ts';
import type { Database, Queries, WriteTransaction } from '../database/database.ts';
import { type Listed, type Listing, type ListQuery, listPage } from '../database/listing.ts';
import type { Tables } from '../database/tables.ts';
import { ManagementError } from '../oci/management-error.ts';
import { DeclarationConflict } from './declarations.ts';
import { endpointsOf, registriesIn } from './policy-endpoints.ts';

/** A replication policy as it is kept. */
export interface KeptPolicy extends PolicyContent {
  readonly id: number;
  readonly rules: ReplicationPolicy;
  /** Whether the configuration file declares it. */
  readonly declared: boolean;
  /** Milliseconds UTC. */
  readonly createdAt: number;
  readonly updatedAt: number;
}

export interface PolicyContent {
  readonly name: string;
  /** As the operator wrote it: JSON that `ReplicationPolicy` reads. */
  readonly written: unknown;
  /** Its filters as a client of Harbor's API wrote them, where one did: JSON that is shown to those clients again. */
  readonly filters?: unknown;
}

export interface ReplicationPolicies {
  /** Fields: `id`, `name`, `enabled`, `createdAt`, `updatedAt`. @throws ManagementError BAD_REQUEST */
  list(query: ListQuery): Promise<Listed<KeptPolicy>>;
  /** @throws ManagementError NOT_FOUND */
  get(id: number): Promise<KeptPolicy>;
  /** @throws ManagementError BAD_REQUEST, for an endpoint that there is not and for copies of copies, too; CONFLICT */
  create(policy: PolicyContent, actor: Actor): Promise<{ readonly id: number }>;
  /** @throws ManagementError BAD_REQUEST, CONFLICT, FORBIDDEN (declared), NOT_FOUND */
  update(id: number, policy: PolicyContent, actor: Actor): Promise<void>;
  /** @throws ManagementError FORBIDDEN (declared), NOT_FOUND, PRECONDITION while an execution of it is not over */
  remove(id: number, actor: Actor): Promise<void>;
  /**
   * Makes those of the configuration file what it says; those that it does not name any more are the API's again.
   *
   * @throws DeclarationConflict for an endpoint that there is not, for one that would copy its own copies, and for two
   * that copy different repositories to one name
   */
  declare(policies: readonly PolicyContent[]): Promise<void>;
}

/** By which its executions are queued. */
export function queueOf(policy: number): string {
  return `replication:${policy}`;
}

const LISTING = {
  fields: {
    id: ['replication_policies.id', 'integer'],
    name: ['replication_policies.name', 'text'],
    enabled: ['replication_policies.enabled', 'flag'],
    createdAt: ['replication_policies.created_at', 'time'],
    updatedAt: ['replication_policies.updated_at', 'time'],
  },
  order: { column: 'replication_policies.id', descending: false },
} as const satisfies Listing<Tables, 'replication_policies'>;

export function createReplicationPolicies({
  database,
  now,
}: {
  readonly database: Database;
  /** Milliseconds UTC. */
  readonly now: () => number;
}): ReplicationPolicies {
  return {
    async list(query) {
      const { items, total } = await listPage(policyRows(database.read), query, LISTING);
      return { items: items.map(policyOf), total };
    },

    get: async (id) => policyOf(await policyRow(database.read, id)),

    async create(policy, actor) {
      checkName(policy.name);
      return database.write(async (transaction) => {
        await refuseName(transaction, policy.name);
        await refuseContent(transaction, policy);
        const at = now();
        const id = await insertPolicy(transaction, policy, { declared: false, at });
        await tell(transaction, policy.name, { actor, operation: 'create', at });
        return { id };
      });
    },

    async update(id, policy, actor) {
      checkName(policy.name);
      await database.write(async (transaction) => {
        const before = await policyRow(transaction, id);
        refuseDeclared(before);
        if (before.name !== policy.name) await refuseName(transaction, policy.name);
        await refuseContent(transaction, policy, id);
        const at = now();
        await writePolicy(transaction, { id, declared: false }, policy, at);
        await tell(transaction, policy.name, { actor, operation: 'update', at });
      });
    },

    async remove(id, actor) {
      await database.write(async (transaction) => {
        const before = await policyRow(transaction, id);
        refuseDeclared(before);
        await refuseRunning(transaction, before);
        await transaction.deleteFrom('replication_policies').where('id', '=', id).execute();
        await tell(transaction, before.name, { actor, operation: 'delete', at: now() });
      });
    },

    async declare(policies) {
      await database.write(async (transaction) => {
        await transaction.updateTable('replication_policies').set({ declared: 0 }).execute();
        for (const policy of policies) await declarePolicy(transaction, policy, now());
        for (const policy of policies) await refuseDeclaration(transaction, policy);
      });
    },
  };
}

async function declarePolicy(
  transaction: WriteTransaction,
  policy: PolicyContent,
  at: number,
): Promise<void> {
  const same = await policyRows(transaction).where('name', '=', policy.name).executeTakeFirst();
  if (same === undefined) await insertPolicy(transaction, policy, { declared: true, at });
  else await writePolicy(transaction, { id: same.id, declared: true }, policy, at);
}

async function insertPolicy(
  transaction: WriteTransaction,
  { name, written, filters }: PolicyContent,
  { declared, at }: { readonly declared: boolean; readonly at: number },
): Promise<number> {
  const { id } = await transaction
    .insertInto('replication_policies')
    .values({
      name,
      rules: JSON.stringify(written),
      filters: filters === undefined ? null : JSON.stringify(filters),
      enabled: rulesIn(written).enabled ? 1 : 0,
      declared: declared ? 1 : 0,
      created_at: at,
      updated_at: at,
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  return id;
}

async function writePolicy(
  transaction: WriteTransaction,
  { id, declared }: { readonly id: number; readonly declared: boolean },
  { name, written, filters }: PolicyContent,
  at: number,
): Promise<void> {
  await transaction
    .updateTable('replication_policies')
    .set({
      name,
      rules: JSON.stringify(written),
      filters: filters === undefined ? null : JSON.stringify(filters),
      enabled: rulesIn(written).enabled ? 1 : 0,
      declared: declared ? 1 : 0,
      updated_at: at,
    })
    .where('id', '=', id)
    .execute();
}

function policyRows(queries: Queries) {
  return queries.selectFrom('replication_policies').selectAll('replication_policies');
}

type PolicyRow = Awaited<ReturnType<ReturnType<typeof policyRows>['executeTakeFirstOrThrow']>>;

/** @throws ManagementError NOT_FOUND */
async function policyRow(queries: Queries, id: number): Promise<PolicyRow> {
  const row = await policyRows(queries).where('id', '=', id).executeTakeFirst();
  if (row !== undefined) return row;
  throw new ManagementError('NOT_FOUND', `replication policy ${id} not found`);
}

function policyOf(row: PolicyRow): KeptPolicy {
  const { id, name, rules, filters, declared, created_at, updated_at } = row;
  return {
    id,
    name,
    written: JSON.parse(rules),
    rules: ReplicationPolicy.parse(JSON.parse(rules)),
    filters: filters === null ? undefined : JSON.parse(filters),
    declared: declared === 1,
    createdAt: created_at,
    updatedAt: updated_at,
  };
}

const LONGEST_NAME = 256;

/** @throws ManagementError BAD_REQUEST with what is wrong, and where */
function rulesIn(written: unknown): ReplicationPolicy {
  const { data, error } = ReplicationPolicy.safeParse(written);
  if (data !== undefined) return data;
  const [issue] = error.issues;
  const message = `${issue?.path.join('.')}: ${issue?.message}`;
  throw new ManagementError('BAD_REQUEST', message);
}

function checkName(name: string): void {
  if (name.trim() !== '' && name.length <= LONGEST_NAME && !/\p{Cc}/u.test(name)) return;
  const message = `a replication policy has a name of 1 to ${LONGEST_NAME} characters`;
  throw new ManagementError('BAD_REQUEST', message);
}

/** @throws DeclarationConflict */
async function refuseDeclaration(queries: Queries, policy: PolicyContent): Promise<void> {
  const same = await policyRows(queries).where('name', '=', policy.name).executeTakeFirst();
  try {
    await refuseContent(queries, policy, same?.id);
  } catch (error) {
    if (!(error instanceof ManagementError)) throw error;
    throw new DeclarationConflict(`replication policy ${policy.name}: ${error.message}`);
  }
}

/**
 * @throws ManagementError BAD_REQUEST where it names an endpoint that there is not, or copies what it copied; CONFLICT
 * where another policy copies something else to the same name
 */
async function refuseContent(
  queries: Queries,
  { name, written }: PolicyContent,
  id?: number,
): Promise<void> {
  const policy = rulesIn(written);
  const registries = await registriesIn(queries);
  for (const endpoint of endpointsOf(policy)) {
    if (registries.has(endpoint)) continue;
    throw new ManagementError('BAD_REQUEST', `registry ${endpoint} not found`);
  }
  const kept = (await policyRows(queries).execute()).filter((row) => row.id !== id);
  const others = kept.map((row) => ({ name: row.name, policy: policyOf(row).rules }));
  const registryOf = (endpoint: string) => registries.get(endpoint) ?? endpoint;
  const loop = loopThrough({ name, policy }, others, registryOf);
  if (loop !== undefined) throw new ManagementError('BAD_REQUEST', loopText(loop));
  const conflict = conflictWith({ name, policy }, others, registryOf);
  if (conflict !== undefined) throw new ManagementError('CONFLICT', conflictText(conflict));
}

async function refuseName(queries: Queries, name: string): Promise<void> {
  const same = await policyRows(queries).where('name', '=', name).executeTakeFirst();
  if (same === undefined) return;
  throw new ManagementError('CONFLICT', `replication policy ${name} already exists`);
}

function refuseDeclared({ name, declared }: PolicyRow): void {
  if (declared === 0) return;
  const message = `the configuration file declares replication policy ${name}: change it there`;
  throw new ManagementError('FORBIDDEN', message);
}

async function refuseRunning(queries: Queries, { id, name }: PolicyRow): Promise<void> {
  const running = await queries
    .selectFrom('executions')
    .select('id')
    .where('queue', '=', queueOf(id))
    .where('ended_at', 'is', null)
    .executeTakeFirst();
  if (running === undefined) return;
  const message = `execution ${running.id} of replication policy ${name} is not over`;
  throw new ManagementError('PRECONDITION', message);
}

async function tell(
  transaction: WriteTransaction,
  name: string,
  act: {
    readonly actor: Actor;
    readonly operation: 'create' | 'update' | 'delete';
    readonly at: number;
  },
): Promise<void> {
  const about = { resourceType: 'replication-policy', resource: name } as const;
  await writeAudit(transaction, { ...act, ...about, succeeded: true, detail: '' });
}
