import { z } from 'zod';
import { timeJson } from './json.ts';
import type { Listed, ListQuery } from './list-query.ts';
import { type OwnRoute, ownRoute } from './own-route.ts';
import { type Actor, DONE } from './route.ts';

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
  start(id: number, actor: Actor): Promise<{ readonly id: number }>;
  /** What is over stays as it is. */
  stop(execution: number, actor: Actor): Promise<void>;
}

const POLICIES = '/replication/policies';
const POLICY = `${POLICIES}/{id}` as const;

const Rules = z
  .record(z.string(), z.unknown())
  .meta({ description: 'As `policies.replication` of the configuration file has them.' });
const Sent = z.strictObject({ name: z.string(), rules: Rules });
const PolicyJson = z.object({
  id: z.int(),
  name: z.string(),
  declared: z.boolean().meta({ description: 'By the configuration file, which alone changes it.' }),
  rules: Rules,
  createdAt: z.iso.datetime(),
  updatedAt: z.iso.datetime(),
});

const FIELDS = Object.fromEntries(
  ['id', 'name', 'enabled', 'createdAt', 'updatedAt'].map((name) => [name, name]),
);

/** Policies with all that rules can say, which Harbor's API cannot. Below `/api/portolan/v1`. */
export function replicationRuleRoutes(policies: ReplicationRules): readonly OwnRoute[] {
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

const listPolicies = (policies: ReplicationRules): OwnRoute =>
  ownRoute({
    operation: 'listPolicies',
    described: { summary: 'Policies.', answer: z.array(PolicyJson), fields: Object.keys(FIELDS) },
    method: 'GET',
    path: POLICIES,
    permission: { system: 'replication-policy:list' },
    answers: [200, 400, 401, 403],
    async handle({ list }) {
      const { items, total } = await policies.list(list(FIELDS));
      return { json: items.map(policyJson), total };
    },
  });

const createPolicy = (policies: ReplicationRules): OwnRoute =>
  ownRoute({
    operation: 'createPolicy',
    described: { summary: 'Makes a policy.', body: Sent },
    method: 'POST',
    path: POLICIES,
    permission: { system: 'replication-policy:create' },
    answers: [201, 400, 401, 403, 409],
    async handle({ json, actor }) {
      const { id } = await policies.create(await json(Sent), actor);
      return { location: `${POLICIES}/${id}` };
    },
  });

const getPolicy = (policies: ReplicationRules): OwnRoute =>
  ownRoute({
    operation: 'getPolicy',
    described: { summary: 'One policy.', answer: PolicyJson },
    method: 'GET',
    path: POLICY,
    permission: { system: 'replication-policy:read' },
    answers: [200, 401, 403, 404],
    handle: async ({ id }) => ({ json: policyJson(await policies.get(id('id'))) }),
  });

const updatePolicy = (policies: ReplicationRules): OwnRoute =>
  ownRoute({
    operation: 'updatePolicy',
    described: { summary: 'Changes a policy to what is sent.', body: Sent },
    method: 'PUT',
    path: POLICY,
    permission: { system: 'replication-policy:update' },
    answers: [200, 400, 401, 403, 404, 409],
    async handle({ id, json, actor }) {
      await policies.update(id('id'), await json(Sent), actor);
      return DONE;
    },
  });

const deletePolicy = (policies: ReplicationRules): OwnRoute =>
  ownRoute({
    operation: 'deletePolicy',
    described: { summary: 'Removes a policy that does not run.' },
    method: 'DELETE',
    path: POLICY,
    permission: { system: 'replication-policy:delete' },
    answers: [200, 401, 403, 404, 412],
    async handle({ id, actor }) {
      await policies.remove(id('id'), actor);
      return DONE;
    },
  });

const startPolicy = (policies: ReplicationRules): OwnRoute =>
  ownRoute({
    operation: 'startPolicy',
    described: { summary: 'Starts a policy; while it runs already, the new execution waits.' },
    method: 'POST',
    path: `${POLICY}/start`,
    permission: { system: 'replication:create' },
    answers: [201, 401, 403, 404, 409, 412],
    async handle({ id, actor }) {
      const execution = await policies.start(id('id'), actor);
      return { location: `/replication/executions/${execution.id}` };
    },
  });

const stopExecution = (policies: ReplicationRules): OwnRoute =>
  ownRoute({
    operation: 'stopExecution',
    described: { summary: 'Stops an execution; one that is over stays as it is.' },
    method: 'POST',
    path: '/replication/executions/{id}/stop',
    permission: { system: 'replication:create' },
    answers: [200, 401, 403, 404],
    async handle({ id, actor }) {
      await policies.stop(id('id'), actor);
      return DONE;
    },
  });

function policyJson({ createdAt, updatedAt, ...policy }: Policy): object {
  return { ...policy, createdAt: timeJson(createdAt), updatedAt: timeJson(updatedAt) };
}
