/**
 * Who may do what. One table, read by everything that asks: `/v2`, the token service, the management API and the lists
 * of what a robot may be given. Roles, resources and actions are Harbor's (v2.13, src/common/rbac), so that its tools
 * mean the same by them.
 */

/** By the ids that Harbor's API gives them. */
export const ROLE_IDS = {
  projectAdmin: 1,
  developer: 2,
  guest: 3,
  maintainer: 4,
  limitedGuest: 5,
} as const;
export type Role = keyof typeof ROLE_IDS;
export const ROLES = ['projectAdmin', 'maintainer', 'developer', 'guest', 'limitedGuest'] as const;

export type Action =
  | 'create'
  | 'read'
  | 'update'
  | 'delete'
  | 'list'
  | 'pull'
  | 'push'
  | 'operate'
  | 'stop';

/** What a project has. `project` is the project itself. */
export type ProjectResource =
  | 'project'
  | 'repository'
  | 'artifact'
  | 'tag'
  | 'accessory'
  | 'artifact-addition'
  | 'artifact-label'
  | 'label'
  | 'member'
  | 'robot'
  | 'metadata'
  | 'tag-retention'
  | 'immutable-tag'
  | 'notification-policy'
  | 'preheat-policy'
  | 'scan'
  | 'sbom'
  | 'scanner'
  | 'export-cve'
  | 'log'
  | 'configuration'
  | 'quota';

/** What the node has; some are the same words as a project's. */
export type SystemResource =
  | 'audit-log'
  | 'catalog'
  | 'configuration'
  | 'garbage-collection'
  | 'jobservice-monitor'
  | 'label'
  | 'ldap-user'
  | 'preheat-instance'
  | 'project'
  | 'purge-audit'
  | 'quota'
  | 'registry'
  | 'replication'
  | 'replication-adapter'
  | 'replication-policy'
  | 'robot'
  | 'scan-all'
  | 'scanner'
  | 'security-hub'
  | 'system-volumes'
  | 'user'
  | 'user-group';

export type ProjectPermission = `${ProjectResource}:${Action}`;
export type SystemPermission = `${SystemResource}:${Action}`;

/** What of a caller the decision depends on. */
export interface Subject {
  /** May everything. */
  readonly isAdmin: boolean;
  /** By the project's id; several where groups give some too. */
  readonly roles: ReadonlyMap<number, readonly Role[]>;
  /** A robot's, which has no roles. */
  readonly robot?: RobotRights | undefined;
}

export interface RobotRights {
  readonly system: ReadonlySet<string>;
  /** In every project. */
  readonly everywhere: ReadonlySet<string>;
  /** By the project's id. */
  readonly projects: ReadonlyMap<number, ReadonlySet<string>>;
}

/** What of a project the decision depends on. */
export interface ProjectFacts {
  readonly id: number;
  readonly isPublic: boolean;
}

const LETTERS: Readonly<Record<string, Action>> = {
  C: 'create',
  R: 'read',
  U: 'update',
  D: 'delete',
  L: 'list',
};

// Columns: projectAdmin, maintainer, developer, guest, limitedGuest. `''` is nothing.
const TABLE: Readonly<Record<ProjectResource, readonly [string, string, string, string, string]>> =
  {
    project: ['RUD', 'R', 'R', 'R', 'R'],
    repository: ['CRUDL pull push', 'CRUDL pull push', 'CRUL pull push', 'RL pull', 'RL pull'],
    artifact: ['CRDL', 'CRDL', 'CRL', 'RL', 'RL'],
    tag: ['CDL', 'CDL', 'CL', 'L', 'L'],
    accessory: ['L', 'L', 'L', 'L', 'L'],
    'artifact-addition': ['R', 'R', 'R', 'R', 'R'],
    'artifact-label': ['CD', 'CD', 'CD', '', ''],
    label: ['CRUDL', 'CRUDL', 'RL', 'RL', ''],
    member: ['CRUDL', 'RL', 'RL', 'RL', ''],
    robot: ['CRUDL', 'RL', 'RL', 'RL', ''],
    metadata: ['CRUD', 'R', '', '', ''],
    'tag-retention': ['CRUDL operate', 'CRUDL operate', 'CRUDL operate', '', ''],
    'immutable-tag': ['CUDL', 'CUDL', '', '', ''],
    'notification-policy': ['CRUDL', 'RL', '', '', ''],
    'preheat-policy': ['CRUDL', '', '', '', ''],
    scan: ['CR stop', 'CR stop', 'R', 'R', 'R'],
    sbom: ['CR stop', 'CR stop', 'R', 'R', 'R'],
    scanner: ['CR', 'R', 'R', 'R', 'R'],
    'export-cve': ['CRL', 'CRL', 'CRL', '', ''],
    log: ['L', '', '', '', ''],
    configuration: ['RU', 'R', 'R', 'R', 'R'],
    quota: ['R', 'R', 'R', 'R', 'R'],
  };

/** What anybody may in a public project, signed in or not. */
const PUBLIC = permissionsIn({
  project: 'R',
  repository: 'RL pull',
  artifact: 'RL',
  tag: 'L',
  accessory: 'L',
  'artifact-addition': 'R',
  label: 'RL',
  scan: 'R',
  sbom: 'R',
  scanner: 'R',
  configuration: 'R',
});

const BY_ROLE: ReadonlyMap<Role, ReadonlySet<string>> = new Map(
  ROLES.map((role, column) => [
    role,
    permissionsIn(
      Object.fromEntries(
        Object.entries(TABLE).map(([resource, columns]) => [resource, columns[column] ?? '']),
      ),
    ),
  ]),
);

/**
 * What a robot may be given for a project: everything that a role may have, and running the project's own people. Not to
 * change robots, as in Harbor (v2.13, src/common/rbac/const.go).
 */
export const ROBOT_PROJECT_PERMISSIONS: ReadonlySet<string> = new Set(
  [...BY_ROLE.values(), permissionsIn({ metadata: 'CRUDL', member: 'CRULD' })]
    .flatMap((permissions) => [...permissions])
    .filter((permission) => permission !== 'robot:update'),
);

/** What a robot may be given for the node. */
export const ROBOT_SYSTEM_PERMISSIONS: ReadonlySet<string> = permissionsIn({
  'audit-log': 'L',
  'preheat-instance': 'CRUDL',
  project: 'CL',
  'replication-policy': 'CRUDL',
  replication: 'CRL',
  'replication-adapter': 'L',
  registry: 'CRUDL',
  'scan-all': 'CRU stop',
  'system-volumes': 'R',
  'garbage-collection': 'CRUL stop',
  'purge-audit': 'CRUL stop',
  'jobservice-monitor': 'L stop',
  scanner: 'CRUDL',
  label: 'CRUD',
  'security-hub': 'RL',
  catalog: 'R',
  quota: 'RLU',
  robot: 'CRLD',
  user: 'CRULD',
  'ldap-user': 'CL',
  'user-group': 'CRULD',
});

/** Whether the caller may do this to something of the project. */
export function may(
  subject: Subject,
  permission: ProjectPermission,
  project: ProjectFacts,
): boolean {
  if (subject.isAdmin) return true;
  if (project.isPublic && PUBLIC.has(permission)) return true;
  const { robot } = subject;
  if (robot !== undefined) {
    return (
      robot.everywhere.has(permission) || robot.projects.get(project.id)?.has(permission) === true
    );
  }
  const roles = subject.roles.get(project.id) ?? [];
  return roles.some((role) => BY_ROLE.get(role)?.has(permission) === true);
}

/** Whether the caller may do this to something of any project, whatever its visibility, and to those that will be. */
export function mayAnywhere(subject: Subject, permission: ProjectPermission): boolean {
  return may(subject, permission, NOBODYS);
}

/** A private project that nobody has a role in: who may do this to it may do it to any. */
const NOBODYS: ProjectFacts = { id: 0, isPublic: false };

/** Whether the caller may do this to something of the node itself. */
export function maySystem(subject: Subject, permission: SystemPermission): boolean {
  return subject.isAdmin || subject.robot?.system.has(permission) === true;
}

/**
 * Whether the caller may make somebody a member with the role. A robot gives nobody more than what it has itself there,
 * or it could become more by them. Of people this asks nothing: that they may make members is a permission of its own.
 */
export function mayGiveRole(subject: Subject, role: Role, project: number): boolean {
  if (subject.robot === undefined) return true;
  const facts = { id: project, isPublic: false };
  // What no robot can be given is none that it lacks.
  return [...(BY_ROLE.get(role) ?? [])]
    .filter(isProjectPermission)
    .every((permission) => may(subject, permission, facts));
}

/** Whether there is such a thing to be allowed in a project, as `resource:action`. */
export function isProjectPermission(text: string): text is ProjectPermission {
  return ROBOT_PROJECT_PERMISSIONS.has(text);
}

/** Whether there is such a thing to be allowed on the node, as `resource:action`. */
export function isSystemPermission(text: string): text is SystemPermission {
  return ROBOT_SYSTEM_PERMISSIONS.has(text);
}

/** `CRL pull` of a resource as a set of `resource:action`. */
function permissionsIn(rights: Readonly<Record<string, string>>): ReadonlySet<string> {
  return new Set(
    Object.entries(rights).flatMap(([resource, text]) =>
      text
        .split(' ')
        .flatMap((word) =>
          /^[A-Z]+$/.test(word) ? word.split('').map((letter) => LETTERS[letter]) : [word],
        )
        .filter((action) => action !== '')
        .map((action) => `${resource}:${action}`),
    ),
  );
}
