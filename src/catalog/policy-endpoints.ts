/** Endpoints as replication policies name them. */
import { z } from 'zod';
import { ReplicationPolicy } from '../../policies/replication.ts';
import type { Queries, WriteTransaction } from '../database/database.ts';
import { ManagementError } from '../oci/management-error.ts';

type Ends = Pick<ReplicationPolicy, 'source' | 'destinations'>;

/** Its source and its destinations. */
export function endpointsOf({ source, destinations }: Ends): readonly string[] {
  return [source, ...destinations.map(({ endpoint }) => endpoint)];
}

/** All endpoints, each with a name that it shares with those that are the same registry. */
export async function registriesIn(queries: Queries): Promise<ReadonlyMap<string, string>> {
  const rows = await queries.selectFrom('endpoints').select(['id', 'name', 'url']).execute();
  return new Map(rows.map(({ id, name, url }) => [name, id === 0 ? name : url]));
}

/** @throws ManagementError PRECONDITION */
export async function refuseUsedByPolicy(queries: Queries, endpoint: string): Promise<void> {
  const [policy] = await policiesWith(queries, endpoint);
  if (policy === undefined) return;
  const message = `registry ${endpoint} is used by replication policy ${policy.name}`;
  throw new ManagementError('PRECONDITION', message);
}

/** @throws ManagementError PRECONDITION where the configuration file has the name */
export async function renameInPolicies(
  transaction: WriteTransaction,
  before: string,
  after: string,
): Promise<void> {
  if (before === after) return;
  for (const { id, name, declared, rules } of await policiesWith(transaction, before)) {
    if (declared === 1) {
      const message = `replication policy ${name} of the configuration file calls registry ${before} so`;
      throw new ManagementError('PRECONDITION', message);
    }
    const written = Written.parse(JSON.parse(rules));
    const renamed = (endpoint: string): string => (endpoint === before ? after : endpoint);
    const destinations = written.destinations.map((one) => ({
      ...one,
      endpoint: renamed(one.endpoint),
    }));
    const changed = { ...written, source: renamed(written.source), destinations };
    await transaction
      .updateTable('replication_policies')
      .set({ rules: JSON.stringify(changed) })
      .where('id', '=', id)
      .execute();
  }
}

const Written = z.looseObject({
  source: z.string(),
  destinations: z.array(z.looseObject({ endpoint: z.string() })),
});

async function policiesWith(queries: Queries, endpoint: string) {
  const rows = await queries
    .selectFrom('replication_policies')
    .select(['id', 'name', 'declared', 'rules'])
    .orderBy('id')
    .execute();
  return rows.filter(({ rules }) =>
    endpointsOf(ReplicationPolicy.parse(JSON.parse(rules))).includes(endpoint),
  );
}
