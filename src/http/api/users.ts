import { z } from 'zod';
import { mayGiveRole } from '../../../policies/access.ts';
import type { Caller } from '../../access/caller.ts';
import type { User } from '../../access/user-rows.ts';
import type { Users as AllUsers } from '../../access/users.ts';
import { OciError } from '../../oci/error.ts';
import { ManagementError } from '../../oci/management-error.ts';
import { timeJson } from './json.ts';
import { type Actor, type ApiRequest, type ApiRoute, DONE, route } from './route.ts';

/** What these routes need of the node. */
export type Users = Pick<
  AllUsers,
  'create' | 'get' | 'roles' | 'list' | 'updateProfile' | 'setAdmin' | 'changePassword' | 'remove'
> & {
  /** @throws OciError UNAUTHORIZED, TOOMANYREQUESTS */
  signIn(name: string, password: string, address: string): Promise<unknown>;
};

const Creation = z.object({
  username: z.string(),
  password: z.string(),
  email: z.string(),
  realname: z.string().default(''),
  comment: z.string().default(''),
});
const Profile = z.object({
  email: z.string().optional(),
  realname: z.string().optional(),
  comment: z.string().optional(),
});
/** Harbor's Go SDK says nothing of what is false. */
const AdminFlag = z.object({ sysadmin_flag: z.boolean().default(false) });
const Password = z.object({ old_password: z.string().optional(), new_password: z.string() });

/** Our names by Harbor's. */
const FIELDS = {
  user_id: 'id',
  username: 'name',
  email: 'email',
  realname: 'realName',
  comment: 'comment',
  sysadmin_flag: 'isAdmin',
  creation_time: 'createdAt',
  update_time: 'updatedAt',
};

/** People, and what they may change of themselves. */
export function userRoutes(users: Users): readonly ApiRoute[] {
  return [
    listUsers(users),
    createUser(users),
    currentUser(users),
    searchUsers(users),
    getUser(users),
    updateProfile(users),
    deleteUser(users),
    setAdmin(users),
    changePassword(users),
    CLI_SECRET,
  ];
}

const listUsers = (users: Users): ApiRoute =>
  route({
    operation: 'listUsers',
    method: 'GET',
    path: '/users',
    permission: { system: 'user:list' },
    answers: [200, 401, 403],
    async handle({ list }) {
      const { items, total } = await users.list(list(FIELDS));
      return { json: items.map(userJson), total };
    },
  });

const createUser = (users: Users): ApiRoute =>
  route({
    operation: 'createUser',
    method: 'POST',
    path: '/users',
    permission: { system: 'user:create' },
    answers: [201, 400, 401, 403, 409],
    async handle({ json, actor }) {
      const { username: name, password, email, realname: realName, comment } = await json(Creation);
      const { id } = await users.create({ name, password, email, realName, comment }, actor);
      return { location: `/users/${id}` };
    },
  });

const currentUser = (users: Users): ApiRoute =>
  route({
    operation: 'getCurrentUserInfo',
    method: 'GET',
    path: '/users/current',
    permission: 'signed-in',
    answers: [200, 401, 412],
    async handle({ caller }) {
      if (caller.robot !== undefined) {
        throw new ManagementError('PRECONDITION', 'a robot is no user');
      }
      return { json: userJson(await users.get(caller.id)) };
    },
  });

const searchUsers = (users: Users): ApiRoute =>
  route({
    operation: 'searchUsers',
    method: 'GET',
    path: '/users/search',
    permission: 'signed-in',
    answers: [200, 401],
    async handle({ list, query }) {
      const value = query('username');
      // The contract has no refusal.
      if (value === undefined) return { json: [], total: 0 };
      const filters = [{ field: 'name', kind: 'fuzzy', value }] as const;
      const { items, total } = await users.list({ ...list({}), filters });
      return { json: items.map(({ id, name }) => ({ user_id: id, username: name })), total };
    },
  });

const getUser = (users: Users): ApiRoute =>
  route({
    operation: 'getUser',
    method: 'GET',
    path: '/users/{user_id}',
    permission: { system: 'user:read', orSelf: true },
    answers: [200, 401, 403, 404],
    handle: async ({ id }) => ({ json: userJson(await users.get(id('user_id'))) }),
  });

const updateProfile = (users: Users): ApiRoute =>
  route({
    operation: 'updateUserProfile',
    method: 'PUT',
    path: '/users/{user_id}',
    permission: { system: 'user:update', orSelf: true },
    answers: [200, 400, 401, 403, 404],
    async handle(request) {
      const user = await ruled(users, request);
      const { email, realname: realName, comment } = await request.json(Profile);
      // Nobody is without an address: clients say '' for one that stays.
      const profile = { email: email === '' ? undefined : email, realName, comment };
      await users.updateProfile(user.id, profile, request.actor);
      return DONE;
    },
  });

const deleteUser = (users: Users): ApiRoute =>
  route({
    operation: 'deleteUser',
    method: 'DELETE',
    path: '/users/{user_id}',
    permission: { system: 'user:delete' },
    answers: [200, 401, 403, 404],
    async handle(request) {
      const { id } = await ruled(users, request);
      await users.remove(id, request.actor);
      return DONE;
    },
  });

const setAdmin = (users: Users): ApiRoute =>
  route({
    operation: 'setUserSysAdmin',
    method: 'PUT',
    path: '/users/{user_id}/sysadmin',
    permission: { system: 'user:update' },
    answers: [200, 401, 403, 404],
    async handle({ id, json, caller, actor }) {
      const { sysadmin_flag: isAdmin } = await json(AdminFlag);
      refuseToRule(caller);
      await users.setAdmin(id('user_id'), isAdmin, actor);
      return DONE;
    },
  });

const changePassword = (users: Users): ApiRoute =>
  route({
    operation: 'updateUserPassword',
    method: 'PUT',
    path: '/users/{user_id}/password',
    permission: { system: 'user:update', orSelf: true },
    answers: [200, 400, 401, 403],
    async handle(request) {
      const { caller, actor, json } = request;
      const { id } = await ruled(users, request);
      if (caller.robot !== undefined) await refuseRolesAbove(users, caller, id);
      const { old_password: current, new_password: password } = await json(Password);
      const isOwn = caller.robot === undefined && caller.id === id;
      if (isOwn) await prove(users, current, actor);
      await users.changePassword(id, isOwn ? { password, current } : { password }, actor);
      return DONE;
    },
  });

/**
 * That whoever has somebody's browser, or their robot's machine, has their password, too: guesses wait as those at any
 * door.
 *
 * @throws ManagementError FORBIDDEN, OciError TOOMANYREQUESTS
 */
async function prove(users: Users, password: string | undefined, actor: Actor): Promise<void> {
  if (password === undefined) {
    throw new ManagementError('FORBIDDEN', 'the current password is missing');
  }
  await users.signIn(actor.name, password, actor.address).catch((error: unknown) => {
    if (!(error instanceof OciError) || error.code !== 'UNAUTHORIZED') throw error;
    throw new ManagementError('FORBIDDEN', 'the current password is not that');
  });
}

const CLI_SECRET = route({
  operation: 'setCliSecret',
  method: 'PUT',
  path: '/users/{user_id}/cli_secret',
  permission: { system: 'user:update', orSelf: true },
  answers: [200, 400, 401, 403, 404, 412],
  handle() {
    throw new ManagementError('PRECONDITION', 'only users of an OIDC provider have a CLI secret');
  },
});

/**
 * Whom the path means. Robots may be given the right to manage users, but not to become more than they are.
 *
 * @throws ManagementError NOT_FOUND, FORBIDDEN
 */
async function ruled(users: Users, { id, caller }: ApiRequest): Promise<User> {
  const user = await users.get(id('user_id'));
  const isOwn = caller.robot === undefined && caller.id === user.id;
  if (user.isAdmin && !isOwn) refuseToRule(caller);
  return user;
}

/** Who sets a password can sign in with it. @throws ManagementError FORBIDDEN */
async function refuseRolesAbove(users: Users, caller: Caller, id: number): Promise<void> {
  for (const [project, roles] of await users.roles(id)) {
    if (roles.every((role) => mayGiveRole(caller, role, project))) continue;
    throw new ManagementError('FORBIDDEN', 'the user may what this robot may not');
  }
}

function refuseToRule({ isAdmin }: Caller): void {
  if (!isAdmin) throw new ManagementError('FORBIDDEN', 'only an admin makes or changes admins');
}

function userJson(user: User): object {
  return {
    user_id: user.id,
    username: user.name,
    email: user.email ?? '',
    realname: user.realName,
    comment: user.comment,
    sysadmin_flag: user.isAdmin,
    admin_role_in_auth: false,
    creation_time: timeJson(user.createdAt),
    update_time: timeJson(user.updatedAt),
  };
}
