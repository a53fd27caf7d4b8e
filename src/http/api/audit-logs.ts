import { may, maySystem } from '../../../policies/access.ts';
import type { Projects } from './gate.ts';
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
  list(
    query: ListQuery,
    options: {
      /** Ids; undefined: of all, and of what is of none. */
      readonly projects: readonly number[] | undefined;
    },
  ): Promise<Listed<AuditRecord>>;
  /** What there is to tell, as `operation_resource`. */
  readonly eventTypes: readonly string[];
}

interface Logs {
  readonly log: AuditLog;
  readonly projects: Projects;
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

/** Who did what, in the older form and in the newer. */
export function auditRoutes(log: AuditLog, projects: Projects): readonly ApiRoute[] {
  const logs = { log, projects };
  return [
    everywhere(logs, { operation: 'listAuditLogs', path: '/audit-logs', json: recordJson }),
    everywhere(logs, { operation: 'listAuditLogExts', path: '/auditlog-exts', json: fullJson }),
    events(log),
    inProject(log, { operation: 'getLogs', path: 'logs', json: recordJson }),
    inProject(log, { operation: 'getLogExts', path: 'auditlog-exts', json: fullJson }),
  ];
}

interface Form {
  readonly operation: string;
  readonly json: (record: AuditRecord) => object;
}

/** Who may not read all of it is told what happened in the projects whose logs they may read (harbor v2.13 handler/auditlog.go). */
const everywhere = (
  { log, projects }: Logs,
  { operation, path, json }: Form & { readonly path: `/${string}` },
): ApiRoute =>
  route({
    operation,
    method: 'GET',
    path,
    permission: { system: 'audit-log:list', orInProjects: 'log:list' },
    answers: [200, 400, 401],
    async handle({ list, caller }) {
      const readable = maySystem(caller, 'audit-log:list')
        ? undefined
        : (await projects.list())
            .filter((project) => may(caller, 'log:list', project))
            .map(({ id }) => id);
      const { items, total } = await log.list(list(FIELDS), { projects: readable });
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
      const { items, total } = await log.list(list(FIELDS), { projects: [project.id] });
      return { json: items.map(json), total };
    },
  });

const events = ({ eventTypes }: AuditLog): ApiRoute =>
  route({
    operation: 'listAuditLogEventTypes',
    method: 'GET',
    path: '/auditlog-exts/events',
    permission: { system: 'audit-log:list' },
    answers: [200, 401, 403],
    handle: () => ({ json: eventTypes.map((type) => ({ event_type: type })) }),
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
