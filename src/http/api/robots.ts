import { z } from 'zod';
import type { Robot } from '../../access/robot-rows.ts';
import type { Robots as AllRobots, Giver } from '../../access/robots.ts';
import { ManagementError } from '../../oci/management-error.ts';
import type { Settings } from './configurations.ts';
import type { Projects } from './gate.ts';
import { timeJson } from './json.ts';
import type { ListQuery } from './list-query.ts';
import { type ApiRequest, type ApiRoute, DONE, isId, scopedRoute } from './route.ts';

/** What these routes need of the node. */
export type Robots = Pick<
  AllRobots,
  'create' | 'get' | 'list' | 'update' | 'changeSecret' | 'remove'
>;

const Permission = z.object({
  kind: z.enum(['system', 'project']),
  namespace: z.string(),
  access: z.array(
    z.object({
      resource: z.string(),
      action: z.string(),
      effect: z.enum(['allow', '']).optional(),
    }),
  ),
});
const NewRobot = z.object({
  name: z.string(),
  level: z.enum(['system', 'project']),
  description: z.string().default(''),
  duration: z.int().optional(),
  disable: z.boolean().default(false),
  secret: z.string().default(''),
  permissions: z.array(Permission),
});
const Changes = z.object({
  name: z.string().optional(),
  level: z.string().optional(),
  description: z.string().optional(),
  duration: z.int().optional(),
  disable: z.boolean().optional(),
  permissions: z.array(Permission).optional(),
});

/** Our names by Harbor's. */
const FIELDS = {
  id: 'id',
  name: 'name',
  description: 'description',
  disable: 'disabled',
  disabled: 'disabled',
  creation_time: 'createdAt',
};
/** Whose robots are meant, which is no filter. */
const SCOPE = { Level: 'level', level: 'level', ProjectID: 'project', project_id: 'project' };

/** Accounts of programs, of the node or of a project. */
export function robotRoutes(
  robots: Robots,
  { projects, settings }: { projects: Projects; settings: Pick<Settings, 'current'> },
): readonly ApiRoute[] {
  return [
    listRobots(robots, projects),
    createRobot(robots, { projects, settings }),
    getRobot(robots),
    updateRobot(robots),
    refreshSecret(robots),
    deleteRobot(robots),
  ];
}

const listRobots = (robots: Robots, projects: Projects): ApiRoute =>
  scopedRoute({
    operation: 'ListRobot',
    method: 'GET',
    path: '/robots',
    permission: { either: 'robot:list' },
    answers: [200, 400, 404],
    scope: async (request) => listedScope(request),
    async handle(request) {
      const scope = listedScope(request);
      const project = (await projects.list()).find(({ id }) => id === scope);
      const query = withoutProject(request.list(FIELDS), project?.name);
      const { items, total } = await robots.list(scope, query);
      return { json: items.map(robotJson), total };
    },
  });

/** To Harbor a robot of a project is called `project+robot`, and its clients (harbor-cli) look for that. */
function withoutProject({ filters, ...query }: ListQuery, project: string | undefined): ListQuery {
  const prefix = project === undefined ? '' : `${project}+`;
  return {
    ...query,
    filters: filters.map((filter) => {
      const isNamed = filter.field === 'name' && 'value' in filter;
      if (!isNamed || !filter.value.startsWith(prefix)) return filter;
      return { ...filter, value: filter.value.slice(prefix.length) };
    }),
  };
}

const createRobot = (
  robots: Robots,
  { projects, settings }: { projects: Projects; settings: Pick<Settings, 'current'> },
): ApiRoute =>
  scopedRoute({
    operation: 'CreateRobot',
    method: 'POST',
    path: '/robots',
    permission: { either: 'robot:create' },
    answers: [201, 400, 401, 403, 404],
    async scope({ json }) {
      const { level, permissions } = await json(NewRobot);
      if (level === 'system') return undefined;
      const project = await projects.get(permissions[0]?.namespace ?? '');
      return project?.id ?? 0;
    },
    async handle(request) {
      const { duration, disable: disabled, secret: own, ...rest } = await request.json(NewRobot);
      const durationDays = duration ?? (await settings.current()).robotDurationDays;
      const wanted = { ...rest, disabled, durationDays };
      const { robot, secret } = await robots.create(
        { ...wanted, secret: own === '' ? undefined : own },
        giverOf(request),
      );
      return {
        location: `/robots/${robot.id}`,
        json: {
          id: robot.id,
          name: robot.fullName,
          secret,
          creation_time: timeJson(robot.createdAt),
          expires_at: expiryJson(robot),
        },
      };
    },
  });

const getRobot = (robots: Robots): ApiRoute =>
  scopedRoute({
    operation: 'GetRobotByID',
    method: 'GET',
    path: '/robots/{robot_id}',
    permission: { either: 'robot:read' },
    answers: [200, 401, 403, 404],
    scope: (request) => scopeOf(robots, request),
    handle: async ({ id }) => ({ json: robotJson(await robots.get(id('robot_id'))) }),
  });

const updateRobot = (robots: Robots): ApiRoute =>
  scopedRoute({
    operation: 'UpdateRobot',
    method: 'PUT',
    path: '/robots/{robot_id}',
    permission: { either: 'robot:update' },
    answers: [200, 400, 401, 403, 404, 409],
    scope: (request) => scopeOf(robots, request),
    async handle(request) {
      const { name, level, description, duration, disable, permissions } =
        await request.json(Changes);
      const robot = await robots.get(request.id('robot_id'));
      const isRenamed = name !== undefined && ![robot.name, robot.fullName].includes(name);
      if (isRenamed || (level !== undefined && level !== robot.level)) {
        throw new ManagementError('BAD_REQUEST', 'the name and the level of a robot stay');
      }
      await robots.update(
        robot.id,
        { description, durationDays: duration, disabled: disable, permissions },
        giverOf(request),
      );
      return DONE;
    },
  });

const refreshSecret = (robots: Robots): ApiRoute =>
  scopedRoute({
    operation: 'RefreshSec',
    method: 'PATCH',
    path: '/robots/{robot_id}',
    permission: { either: 'robot:update' },
    answers: [200, 400, 401, 403, 404],
    scope: (request) => scopeOf(robots, request),
    async handle(request) {
      const { secret } = await request.json(z.object({ secret: z.string().default('') }));
      const made = await robots.changeSecret(
        request.id('robot_id'),
        secret === '' ? undefined : secret,
        giverOf(request),
      );
      // What the client brought itself is not said back.
      return { json: made === undefined ? {} : { secret: made } };
    },
  });

const deleteRobot = (robots: Robots): ApiRoute =>
  scopedRoute({
    operation: 'DeleteRobot',
    method: 'DELETE',
    path: '/robots/{robot_id}',
    permission: { either: 'robot:delete' },
    answers: [200, 400, 401, 403, 404],
    scope: (request) => scopeOf(robots, request),
    async handle({ id, actor }) {
      await robots.remove(id('robot_id'), actor);
      return DONE;
    },
  });

/** `q=Level=project,ProjectID=5`; the node's unless it says so. @throws ManagementError BAD_REQUEST */
function listedScope({ list }: ApiRequest): number | undefined {
  const { filters } = list(SCOPE);
  const valueOf = (field: string): string | undefined => {
    const filter = filters.find((each) => each.field === field);
    return filter?.kind === 'exact' ? filter.value : undefined;
  };
  if (valueOf('level') !== 'project') return undefined;
  const project = valueOf('project') ?? '';
  if (isId(project)) return Number(project);
  throw new ManagementError('BAD_REQUEST', 'q: ProjectID is missing');
}

async function scopeOf(robots: Robots, { id }: ApiRequest): Promise<number | undefined> {
  return (await robots.get(id('robot_id'))).project?.id;
}

function giverOf({ caller, actor }: ApiRequest): Giver {
  return { subject: caller, actor, expiresAt: caller.expiresAt };
}

/** In seconds; -1 for ever. */
function expiryJson({ expiresAt }: Robot): number {
  return expiresAt === undefined ? -1 : Math.floor(expiresAt / 1000);
}

function robotJson(robot: Robot): object {
  return {
    id: robot.id,
    name: robot.fullName,
    level: robot.level,
    description: robot.description,
    duration: robot.durationDays,
    expires_at: expiryJson(robot),
    disable: robot.disabled,
    editable: true,
    permissions: robot.permissions,
    creator_type: robot.creator.startsWith('robot$') ? 'robot' : 'local',
    creation_time: timeJson(robot.createdAt),
    update_time: timeJson(robot.updatedAt),
  };
}
