import { z } from 'zod';
import { mayGiveRole, ROLE_IDS, ROLES, type Role } from '../../../policies/access.ts';
import type { Caller } from '../../access/caller.ts';
import type { Members as AllMembers, Member, MemberReference } from '../../access/members.ts';
import { ManagementError } from '../../oci/management-error.ts';
import { groupKindOf } from './groups.ts';
import { type ApiRoute, DONE, projectRoute } from './route.ts';

/** What these routes need of the node. */
export type Members = Pick<AllMembers, 'add' | 'get' | 'list' | 'changeRole' | 'remove'>;

const RoleId = z.object({ role_id: z.number() });
const User = z.object({ user_id: z.number().default(0), username: z.string().default('') });
const Group = z.object({
  id: z.number().default(0),
  group_name: z.string().default(''),
  group_type: z.number().default(0),
});
const NewMember = RoleId.extend({ member_user: User.optional(), member_group: Group.optional() });

/** Who may what in a project. */
export function memberRoutes(members: Members): readonly ApiRoute[] {
  return [
    listMembers(members),
    addMember(members),
    getMember(members),
    changeRole(members),
    removeMember(members),
  ];
}

const listMembers = (members: Members): ApiRoute =>
  projectRoute({
    operation: 'listProjectMembers',
    method: 'GET',
    path: '/projects/{project_name_or_id}/members',
    permission: { project: 'member:list' },
    answers: [200, 400, 401, 403, 404],
    async handle({ project, list, query }) {
      const value = query('entityname');
      const filters = value === undefined ? [] : [{ field: 'name', kind: 'fuzzy', value } as const];
      const { items, total } = await members.list(project.id, { ...list({}), filters });
      return { json: items.map((member) => memberJson(member, project.id)), total };
    },
  });

const addMember = (members: Members): ApiRoute =>
  projectRoute({
    operation: 'createProjectMember',
    method: 'POST',
    path: '/projects/{project_name_or_id}/members',
    permission: { project: 'member:create' },
    answers: [201, 400, 401, 403, 409],
    async handle({ project, json, caller, actor }) {
      const { role_id: roleId, ...who } = await json(NewMember);
      const role = givenRole(roleId, caller, project.id);
      const { id } = await members.add(project.id, referenceOf(who), role, actor);
      return { location: `/projects/${project.id}/members/${id}` };
    },
  });

const getMember = (members: Members): ApiRoute =>
  projectRoute({
    operation: 'getProjectMember',
    method: 'GET',
    path: '/projects/{project_name_or_id}/members/{mid}',
    permission: { project: 'member:read' },
    answers: [200, 400, 401, 403, 404],
    async handle({ project, id }) {
      return { json: memberJson(await members.get(project.id, id('mid')), project.id) };
    },
  });

const changeRole = (members: Members): ApiRoute =>
  projectRoute({
    operation: 'updateProjectMember',
    method: 'PUT',
    path: '/projects/{project_name_or_id}/members/{mid}',
    permission: { project: 'member:update' },
    answers: [200, 400, 401, 403, 404],
    async handle({ project, id, json, caller, actor }) {
      const role = givenRole((await json(RoleId)).role_id, caller, project.id);
      await members.changeRole(project.id, id('mid'), role, actor);
      return DONE;
    },
  });

const removeMember = (members: Members): ApiRoute =>
  projectRoute({
    operation: 'deleteProjectMember',
    method: 'DELETE',
    path: '/projects/{project_name_or_id}/members/{mid}',
    permission: { project: 'member:delete' },
    answers: [200, 400, 401, 403, 404],
    async handle({ project, id, actor }) {
      await members.remove(project.id, id('mid'), actor);
      return DONE;
    },
  });

/** @throws ManagementError BAD_REQUEST */
function referenceOf({
  member_user: user,
  member_group: group,
}: Omit<z.infer<typeof NewMember>, 'role_id'>): MemberReference {
  // The Terraform provider sends an empty object for the one that it does not mean.
  const [named, ...others] = [user && userIn(user), group && groupIn(group)].filter(
    (reference) => reference !== undefined,
  );
  if (named !== undefined && others.length === 0) return named;
  throw new ManagementError('BAD_REQUEST', 'name one user or one group, by id or by name');
}

function userIn({
  user_id: id,
  username: name,
}: z.infer<typeof User>): MemberReference | undefined {
  if (id > 0) return { user: { id } };
  return name === '' ? undefined : { user: { name } };
}

/** @throws ManagementError BAD_REQUEST */
function groupIn({
  id,
  group_name: name,
  group_type: type,
}: z.infer<typeof Group>): MemberReference | undefined {
  if (id > 0) return { group: { id } };
  return name === '' ? undefined : { group: { name, kind: groupKindOf(type) } };
}

/** @throws ManagementError BAD_REQUEST, FORBIDDEN for one that the caller may not give */
function givenRole(id: number, caller: Caller, project: number): Role {
  const role = ROLES.find((name) => ROLE_IDS[name] === id);
  if (role === undefined) throw new ManagementError('BAD_REQUEST', `there is no role ${id}`);
  if (mayGiveRole(caller, role, project)) return role;
  throw new ManagementError('FORBIDDEN', 'a robot gives only what it has itself');
}

function memberJson({ id, kind, entityId, name, role }: Member, project: number): object {
  return {
    id,
    project_id: project,
    entity_id: entityId,
    entity_name: name,
    entity_type: kind === 'user' ? 'u' : 'g',
    role_id: ROLE_IDS[role],
    role_name: role,
  };
}
