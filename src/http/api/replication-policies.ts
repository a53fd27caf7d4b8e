import { z } from 'zod';
import { timeJson } from './json.ts';
import type { Listed, ListQuery } from './list-query.ts';
import { type Endpoint, registryJson } from './registries.ts';
import { type Actor, type ApiRoute, DONE, route } from './route.ts';
import type { Vendor } from './vendors.ts';

/** `local` is this node; a name is of an endpoint that there is no more. */
type End = Endpoint | 'local' | { readonly name: string };

/** A policy, as far as Harbor's API can say it. Times are milliseconds UTC. */
interface Policy {
  readonly id: number;
  readonly name: string;
  readonly source: End;
  readonly destination: End;
  /** The rest, in the words of the contract. */
  readonly shown: object;
  readonly createdAt: number;
  readonly updatedAt: number;
}

interface SentPolicy {
  readonly name: string;
  /** Ids of registries; 0 is this node. */
  readonly source: number;
  readonly destination: number;
  /** The rest, as it was sent. */
  readonly sent: Readonly<Record<string, unknown>>;
}

/** What these routes need of the node. @throws ManagementError */
export interface ReplicationPolicies {
  /** Fields: `id`, `name`, `enabled`, `createdAt`, `updatedAt`. */
  list(query: ListQuery): Promise<Listed<Policy>>;
  get(id: number): Promise<Policy>;
  create(policy: SentPolicy, actor: Actor): Promise<{ readonly id: number }>;
  update(id: number, policy: SentPolicy, actor: Actor): Promise<void>;
  /** PRECONDITION while it runs. */
  remove(id: number, actor: Actor): Promise<void>;
}

const POLICIES = '/replication/policies';
const POLICY = `${POLICIES}/{id}` as const;

const Sent = z.looseObject({
  name: z.string(),
  src_registry: z.object({ id: z.int().min(0).default(0) }).optional(),
  dest_registry: z.object({ id: z.int().min(0).default(0) }).optional(),
});

const FIELDS = {
  id: 'id',
  name: 'name',
  enabled: 'enabled',
  creation_time: 'createdAt',
  update_time: 'updatedAt',
};

/** Replication policies, those of the configuration file too. */
export function replicationPolicyRoutes(
  policies: ReplicationPolicies,
  vendors: readonly Vendor[],
): readonly ApiRoute[] {
  return [
    listPolicies(policies, vendors),
    createPolicy(policies),
    getPolicy(policies, vendors),
    updatePolicy(policies),
    deletePolicy(policies),
  ];
}

const listPolicies = (policies: ReplicationPolicies, vendors: readonly Vendor[]): ApiRoute =>
  route({
    operation: 'listReplicationPolicies',
    method: 'GET',
    path: POLICIES,
    permission: { system: 'replication-policy:list' },
    answers: [200, 401, 403],
    async handle({ list, query }) {
      const value = query('name');
      const named = value === undefined ? [] : [{ field: 'name', kind: 'fuzzy', value } as const];
      const asked = list(FIELDS);
      const filters = [...asked.filters, ...named];
      const { items, total } = await policies.list({ ...asked, filters });
      return { json: items.map((each) => policyJson(each, vendors)), total };
    },
  });

const createPolicy = (policies: ReplicationPolicies): ApiRoute =>
  route({
    operation: 'createReplicationPolicy',
    method: 'POST',
    path: POLICIES,
    permission: { system: 'replication-policy:create' },
    answers: [201, 400, 401, 403, 409],
    async handle({ json, actor }) {
      const { id } = await policies.create(sentOf(await json(Sent)), actor);
      return { location: `${POLICIES}/${id}` };
    },
  });

const getPolicy = (policies: ReplicationPolicies, vendors: readonly Vendor[]): ApiRoute =>
  route({
    operation: 'getReplicationPolicy',
    method: 'GET',
    path: POLICY,
    permission: { system: 'replication-policy:read' },
    answers: [200, 401, 403],
    // The Terraform provider makes one anew that is gone, and knows it by that.
    undeclared: [404],
    handle: async ({ id }) => ({ json: policyJson(await policies.get(id('id')), vendors) }),
  });

const updatePolicy = (policies: ReplicationPolicies): ApiRoute =>
  route({
    operation: 'updateReplicationPolicy',
    method: 'PUT',
    path: POLICY,
    permission: { system: 'replication-policy:update' },
    answers: [200, 400, 401, 403, 404, 409],
    async handle({ id, json, actor }) {
      await policies.update(id('id'), sentOf(await json(Sent)), actor);
      return DONE;
    },
  });

const deletePolicy = (policies: ReplicationPolicies): ApiRoute =>
  route({
    operation: 'deleteReplicationPolicy',
    method: 'DELETE',
    path: POLICY,
    permission: { system: 'replication-policy:delete' },
    answers: [200, 401, 403, 404, 412],
    async handle({ id, actor }) {
      await policies.remove(id('id'), actor);
      return DONE;
    },
  });

/** The side that is left out is this node. */
function sentOf(body: z.infer<typeof Sent>): SentPolicy {
  const { name, src_registry: source, dest_registry: destination, ...sent } = body;
  return { name, source: source?.id ?? 0, destination: destination?.id ?? 0, sent };
}

function policyJson({ id, name, shown, ...policy }: Policy, vendors: readonly Vendor[]): object {
  return {
    id,
    name,
    ...shown,
    src_registry: endJson(policy.source, vendors),
    dest_registry: endJson(policy.destination, vendors),
    creation_time: timeJson(policy.createdAt),
    update_time: timeJson(policy.updatedAt),
  };
}

/** This node as Harbor calls itself, which the Terraform provider looks for. */
function endJson(end: End, vendors: readonly Vendor[]): object {
  if (end === 'local') return { id: 0, name: 'Local', type: 'harbor', url: '', insecure: false };
  return 'id' in end ? registryJson(end, vendors) : end;
}
