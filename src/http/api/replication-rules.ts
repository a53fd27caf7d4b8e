import { z } from 'zod';
import { timeJson } from './json.ts';
import type { Listed, ListQuery } from './list-query.ts';
import { type Actor, type ApiRoute, DONE, route } from './route.ts';

/** A policy in the operator's own language, as the configuration file has it. Times are milliseconds UTC. */
interface Policy extends SentPolicy {
  readonly id: number;
  /** Whether the configuration file declares it, and only that can change it. */
  readonly declared: boolean;
  readonly createdAt: number;
  readonly updatedAt: number;
}

interface SentPolicy {
  readonly name: string;
  /** As somebody wrote them. */
  readonly rules: unknown;
}

/** What these routes need of the node. @throws ManagementError */
export interface ReplicationRules {
  /** Fields: `id`, `name`, `enabled`, `createdAt`, `updatedAt`. */
  list(query: ListQuery): Promise<Listed<Policy>>;
  get(id: number): Promise<Policy>;
  /** BAD_REQUEST with what is wrong with the rules, and where. */
  create(policy: SentPolicy, actor: Actor): Promise<{ readonly id: number }>;
  update(id: number, policy: SentPolicy, actor: Actor): Promise<void>;
  /** PRECONDITION while it runs. */
  remove(id: number, actor: Actor): Promise<void>;
  /** PRECONDITION where it is switched off. @returns the execution's id */
  start(id: number, operator: string): Promise<{ readonly id: number }>;
  /** What is over stays as it is. */
  stop(execution: number): Promise<void>;
}

const POLICIES = '/replication/policies';
const POLICY = `${POLICIES}/{id}` as const;

const Sent = z.strictObject({ name: z.string(), rules: z.record(z.string(), z.unknown()) });

const FIELDS = Object.fromEntries(
  ['id', 'name', 'enabled', 'createdAt', 'updatedAt'].map((name) => [name, name]),
);

/** Policies with all that rules can say, which Harbor's API cannot. Below `/api/portolan/v1`. */
export function replicationRuleRoutes(policies: ReplicationRules): readonly ApiRoute[] {
  return [
    listPolicies(policies),
    createPolicy(policies),
    getPolicy(policies),
    updatePolicy(policies),
    deletePolicy(policies),
    startPolicy(policies),
    stopExecution(policies),
  ];
}

const listPolicies = (policies: ReplicationRules): ApiRoute =>
  route({
    operation: 'listPolicies',
    method: 'GET',
    path: POLICIES,
    permission: { system: 'replication-policy:list' },
    answers: [200, 400, 401, 403],
    async handle({ list }) {
      const { items, total } = await policies.list(list(FIELDS));
      return { json: items.map(policyJson), total };
    },
  });

const createPolicy = (policies: ReplicationRules): ApiRoute =>
  route({
    operation: 'createPolicy',
    method: 'POST',
    path: POLICIES,
    permission: { system: 'replication-policy:create' },
    answers: [201, 400, 401, 403, 409],
    async handle({ json, actor }) {
      const { id } = await policies.create(await json(Sent), actor);
      return { location: `${POLICIES}/${id}` };
    },
  });

const getPolicy = (policies: ReplicationRules): ApiRoute =>
  route({
    operation: 'getPolicy',
    method: 'GET',
    path: POLICY,
    permission: { system: 'replication-policy:read' },
    answers: [200, 401, 403, 404],
    handle: async ({ id }) => ({ json: policyJson(await policies.get(id('id'))) }),
  });

const updatePolicy = (policies: ReplicationRules): ApiRoute =>
  route({
    operation: 'updatePolicy',
    method: 'PUT',
    path: POLICY,
    permission: { system: 'replication-policy:update' },
    answers: [200, 400, 401, 403, 404, 409],
    async handle({ id, json, actor }) {
      await policies.update(id('id'), await json(Sent), actor);
      return DONE;
    },
  });

const deletePolicy = (policies: ReplicationRules): ApiRoute =>
  route({
    operation: 'deletePolicy',
    method: 'DELETE',
    path: POLICY,
    permission: { system: 'replication-policy:delete' },
    answers: [200, 401, 403, 404, 412],
    async handle({ id, actor }) {
      await policies.remove(id('id'), actor);
      return DONE;
    },
  });

const startPolicy = (policies: ReplicationRules): ApiRoute =>
  route({
    operation: 'startPolicy',
    method: 'POST',
    path: `${POLICY}/start`,
    permission: { system: 'replication:create' },
    answers: [201, 401, 403, 404, 409, 412],
    async handle({ id, actor }) {
      const execution = await policies.start(id('id'), actor.name);
      return { location: `/replication/executions/${execution.id}` };
    },
  });

const stopExecution = (policies: ReplicationRules): ApiRoute =>
  route({
    operation: 'stopExecution',
    method: 'POST',
    path: '/replication/executions/{id}/stop',
    permission: { system: 'replication:create' },
    answers: [200, 401, 403, 404],
    async handle({ id }) {
      await policies.stop(id('id'));
      return DONE;
    },
  });

function policyJson({ createdAt, updatedAt, ...policy }: Policy): object {
  return { ...policy, createdAt: timeJson(createdAt), updatedAt: timeJson(updatedAt) };
}
