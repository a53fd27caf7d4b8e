/** Replication policies as Harbor's API has them, and as the node's own has, out of policies and endpoints. Wiring, like `node.ts`. */
import { z } from 'zod';
import { LOCAL } from '../policies/replication.ts';
import {
  changedByHarbor,
  HarborPolicy,
  type PolicyText,
  shownInHarbor,
} from '../policies/replication-harbor.ts';
import { HarborFilter } from '../policies/replication-harbor-filters.ts';
import type { EndpointAdministration } from './catalog/endpoint-administration.ts';
import type {
  ReplicationPolicies as KeptPolicies,
  KeptPolicy,
  PolicyContent,
} from './catalog/replication-policies.ts';
import { EVERYTHING } from './database/listing.ts';
import type { ReplicationPolicies } from './http/api/replication-policies.ts';
import type { ReplicationRules } from './http/api/replication-rules.ts';
import { ManagementError } from './oci/management-error.ts';

type Endpoints = Pick<EndpointAdministration, 'list'>;
type Shown = Awaited<ReturnType<ReplicationPolicies['get']>>;
type Sent = Parameters<ReplicationPolicies['create']>[0];

export function policyPorts(policies: KeptPolicies, endpoints: Endpoints): ReplicationPolicies {
  const known = async () => (await endpoints.list(EVERYTHING)).items;
  const shownOf = async (kept: readonly KeptPolicy[]): Promise<readonly Shown[]> => {
    const byName = new Map((await known()).map((each) => [each.name, each]));
    const endOf = (name = ''): Shown['source'] =>
      name === LOCAL ? LOCAL : (byName.get(name) ?? { name });
    return kept.map(({ rules, filters, ...policy }) => ({
      ...policy,
      source: endOf(rules.source),
      destination: endOf(rules.destinations[0]?.endpoint),
      shown: shownInHarbor(rules, Filters.parse(filters)),
    }));
  };
  const nameOf = async (id: number): Promise<string> => {
    if (id === 0) return LOCAL;
    const found = (await known()).find((each) => each.id === id);
    if (found !== undefined) return found.name;
    throw new ManagementError('BAD_REQUEST', `registry ${id} not found`);
  };
  const contentOf = async (policy: Sent, current?: PolicyText): Promise<PolicyContent> => {
    const { name, source, destination } = policy;
    const sent = harborPolicyIn(policy.sent);
    const ends = { source: await nameOf(source), destination: await nameOf(destination) };
    const changed = changedByHarbor(sent, ends, current);
    if ('refused' in changed) throw new ManagementError('BAD_REQUEST', changed.refused);
    return { name, written: changed.text, filters: sent.filters ?? [] };
  };

  return {
    async list(query) {
      const { items, total } = await policies.list(query);
      return { items: await shownOf(items), total };
    },
    async get(id) {
      const [shown] = await shownOf([await policies.get(id)]);
      if (shown !== undefined) return shown;
      throw new ManagementError('NOT_FOUND', `replication policy ${id} not found`);
    },
    create: async (policy, actor) => policies.create(await contentOf(policy), actor),
    async update(id, policy, actor) {
      const { written } = await policies.get(id);
      await policies.update(id, await contentOf(policy, Text.parse(written)), actor);
    },
    remove: (id, actor) => policies.remove(id, actor),
  };
}

/** In the operator's own language. */
export function rulePorts(
  policies: KeptPolicies,
  { start, stop }: Pick<ReplicationRules, 'start' | 'stop'>,
): ReplicationRules {
  return {
    async list(query) {
      const { items, total } = await policies.list(query);
      return { items: items.map(inOwnWords), total };
    },
    get: async (id) => inOwnWords(await policies.get(id)),
    create: (policy, actor) => policies.create(inKeptWords(policy), actor),
    update: (id, policy, actor) => policies.update(id, inKeptWords(policy), actor),
    remove: (id, actor) => policies.remove(id, actor),
    start,
    stop,
  };
}

function inKeptWords({ name, rules }: Parameters<ReplicationRules['create']>[0]): PolicyContent {
  return { name, written: rules };
}

function inOwnWords({ id, name, written, declared, createdAt, updatedAt }: KeptPolicy) {
  return { id, name, declared, rules: written, createdAt, updatedAt };
}

/** @throws ManagementError BAD_REQUEST with all that is wrong, and where */
function harborPolicyIn(sent: unknown): HarborPolicy {
  const { data, error } = HarborPolicy.safeParse(sent);
  if (data !== undefined) return data;
  const problems = error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
  throw new ManagementError('BAD_REQUEST', problems.join('; '));
}

const Filters = z.array(HarborFilter).optional();
const Text = z.record(z.string(), z.unknown());
