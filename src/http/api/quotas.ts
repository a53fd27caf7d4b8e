import { z } from 'zod';
import { timeJson } from './json.ts';
import type { Listed, ListQuery } from './list-query.ts';
import type { Storage } from './managed-projects.ts';
import { storageJson } from './projects.ts';
import { type Actor, type ApiRoute, DONE, route } from './route.ts';

/** What a project may have, and has; times are milliseconds UTC. */
interface Quota extends Storage {
  readonly id: number;
  readonly project: { readonly id: number; readonly name: string; readonly owner: string };
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** What these routes need of the node. @throws ManagementError */
export interface Quotas {
  list(query: ListQuery): Promise<Listed<Quota>>;
  get(id: number): Promise<Quota>;
  set(id: number, limit: number, actor: Actor): Promise<void>;
}

const FIELDS = {
  id: 'id',
  'hard.storage': 'limit',
  'used.storage': 'used',
  creation_time: 'createdAt',
};
const Hard = z.object({ hard: z.object({ storage: z.int() }) });

/** How much projects may keep. */
export function quotaRoutes(quotas: Quotas): readonly ApiRoute[] {
  return [listQuotas(quotas), getQuota(quotas), updateQuota(quotas)];
}

const listQuotas = (quotas: Quotas): ApiRoute =>
  route({
    operation: 'listQuotas',
    method: 'GET',
    path: '/quotas',
    permission: { system: 'quota:list' },
    answers: [200, 401, 403],
    async handle({ list, query }) {
      // There are none but those of projects.
      if ((query('reference') ?? 'project') !== 'project') return { json: [], total: 0 };
      const value = query('reference_id');
      const filters =
        value === undefined ? [] : [{ field: 'project', kind: 'exact', value } as const];
      const { items, total } = await quotas.list({ ...list(FIELDS), filters });
      return { json: items.map(quotaJson), total };
    },
  });

const getQuota = (quotas: Quotas): ApiRoute =>
  route({
    operation: 'getQuota',
    method: 'GET',
    path: '/quotas/{id}',
    permission: { system: 'quota:read' },
    answers: [200, 401, 403, 404],
    handle: async ({ id }) => ({ json: quotaJson(await quotas.get(id('id'))) }),
  });

const updateQuota = (quotas: Quotas): ApiRoute =>
  route({
    operation: 'updateQuota',
    method: 'PUT',
    path: '/quotas/{id}',
    permission: { system: 'quota:update' },
    answers: [200, 400, 401, 403, 404],
    async handle({ id, json, actor }) {
      const { hard } = await json(Hard);
      await quotas.set(id('id'), hard.storage, actor);
      return DONE;
    },
  });

function quotaJson(quota: Quota): object {
  const { id, name, owner } = quota.project;
  return {
    id: quota.id,
    ref: { id, name, owner_name: owner },
    ...storageJson(quota),
    creation_time: timeJson(quota.createdAt),
    update_time: timeJson(quota.updatedAt),
  };
}
