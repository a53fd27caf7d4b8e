import { timeJson } from './json.ts';
import type { Listed, ListQuery } from './list-query.ts';
import { type ApiRoute, projectRoute, route } from './route.ts';

interface AuditRecord {
  readonly id: number;
  readonly actor: string;
  readonly operation: string;
  readonly resourceType: string;
  readonly resource: string;
  readonly succeeded: boolean;
  readonly detail: string;
  /** Milliseconds UTC. */
  readonly at: number;
}

/** What these routes need of the node. @throws ManagementError */
export interface AuditLog {
  list(query: ListQuery, options?: { readonly project?: number }): Promise<Listed<AuditRecord>>;
}

/** Our names by Harbor's. */
const FIELDS = {
  id: 'id',
  username: 'actor',
  operation: 'operation',
  resource: 'resource',
  resource_type: 'resourceType',
  operation_result: 'succeeded',
  op_time: 'at',
};

/** Harbor's (v2.13 src/pkg/auditext/event), which its clients offer as filters. */
const EVENT_TYPES = [
  'create_artifact',
  'delete_artifact',
  'pull_artifact',
  'create_project',
  'delete_project',
  'update_project',
  'delete_repository',
  'login_user',
  'logout_user',
  'create_user',
  'delete_user',
  'update_user',
  'create_robot',
  'delete_robot',
  'create_member',
  'delete_member',
  'update_member',
  'update_configuration',
];

/** Who did what, in the older form and in the newer. */
export function auditRoutes(log: AuditLog): readonly ApiRoute[] {
  return [
    everywhere(log, { operation: 'listAuditLogs', path: '/audit-logs', json: recordJson }),
    everywhere(log, { operation: 'listAuditLogExts', path: '/auditlog-exts', json: fullJson }),
    EVENTS,
    inProject(log, { operation: 'getLogs', path: 'logs', json: recordJson }),
    inProject(log, { operation: 'getLogExts', path: 'auditlog-exts', json: fullJson }),
  ];
}

interface Form {
  readonly operation: string;
  readonly json: (record: AuditRecord) => object;
}

const everywhere = (
  log: AuditLog,
  { operation, path, json }: Form & { readonly path: `/${string}` },
): ApiRoute =>
  route({
    operation,
    method: 'GET',
    path,
    permission: { system: 'audit-log:list' },
    answers: [200, 400, 401],
    async handle({ list }) {
      const { items, total } = await log.list(list(FIELDS));
      return { json: items.map(json), total };
    },
  });

const inProject = (
  log: AuditLog,
  { operation, path, json }: Form & { readonly path: string },
): ApiRoute =>
  projectRoute({
    operation,
    method: 'GET',
    path: `/projects/{project_name}/${path}`,
    permission: { project: 'log:list' },
    answers: [200, 400, 401],
    async handle({ project, list }) {
      const { items, total } = await log.list(list(FIELDS), { project: project.id });
      return { json: items.map(json), total };
    },
  });

const EVENTS = route({
  operation: 'listAuditLogEventTypes',
  method: 'GET',
  path: '/auditlog-exts/events',
  permission: { system: 'audit-log:list' },
  answers: [200, 401, 403],
  handle: () => ({ json: EVENT_TYPES.map((type) => ({ event_type: type })) }),
});

function recordJson({ id, actor, resource, resourceType, operation, at }: AuditRecord): object {
  return {
    id,
    username: actor,
    resource,
    resource_type: resourceType,
    operation,
    op_time: timeJson(at),
  };
}

function fullJson(record: AuditRecord): object {
  return {
    ...recordJson(record),
    operation_description: record.detail,
    operation_result: record.succeeded,
  };
}
