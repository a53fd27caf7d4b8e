import { z } from 'zod';
import type { Groups as AllGroups, Group, GroupKind } from '../../access/groups.ts';
import { ManagementError } from '../../oci/management-error.ts';
import type { Filter } from './list-query.ts';
import { type ApiRequest, type ApiRoute, DONE, route } from './route.ts';

/** What these routes need of the node. */
export type Groups = Pick<AllGroups, 'create' | 'get' | 'list' | 'rename' | 'remove'>;

const KINDS: Readonly<Record<GroupKind, number>> = { ldap: 1, http: 2, oidc: 3 };

const NewGroup = z.object({
  group_name: z.string(),
  group_type: z.number(),
  ldap_group_dn: z.string().optional(),
});

/** People whom an identity provider groups. */
export function groupRoutes(groups: Groups): readonly ApiRoute[] {
  return [
    listGroups(groups),
    createGroup(groups),
    searchGroups(groups),
    getGroup(groups),
    renameGroup(groups),
    removeGroup(groups),
  ];
}

/** @throws ManagementError BAD_REQUEST for a number that Harbor has no kind for */
export function groupKindOf(type: number): GroupKind {
  for (const kind of ['ldap', 'http', 'oidc'] as const) if (KINDS[kind] === type) return kind;
  throw new ManagementError('BAD_REQUEST', `there is no type ${type} of groups`);
}

const listGroups = (groups: Groups): ApiRoute =>
  route({
    operation: 'listUserGroups',
    method: 'GET',
    path: '/usergroups',
    permission: { system: 'user-group:list' },
    answers: [200, 401, 403],
    async handle(request) {
      const filters = [
        ...filterOf(request, 'group_name', { field: 'name', kind: 'fuzzy' }),
        ...filterOf(request, 'ldap_group_dn', { field: 'ldapDn', kind: 'exact' }),
      ];
      const { items, total } = await groups.list({ ...request.list({}), filters });
      return { json: items.map(groupJson), total };
    },
  });

const createGroup = (groups: Groups): ApiRoute =>
  route({
    operation: 'createUserGroup',
    method: 'POST',
    path: '/usergroups',
    permission: { system: 'user-group:create' },
    answers: [201, 400, 401, 403, 409],
    async handle({ json, actor }) {
      const { group_name: name, group_type: type, ldap_group_dn: ldapDn } = await json(NewGroup);
      const { id } = await groups.create(
        // Clients that know of no LDAP send an empty one.
        { name, kind: groupKindOf(type), ldapDn: ldapDn === '' ? undefined : ldapDn },
        actor,
      );
      return { location: `/usergroups/${id}` };
    },
  });

const searchGroups = (groups: Groups): ApiRoute =>
  route({
    operation: 'searchUserGroups',
    method: 'GET',
    path: '/usergroups/search',
    permission: 'signed-in',
    answers: [200, 401, 409],
    async handle(request) {
      const filters = filterOf(request, 'groupname', { field: 'name', kind: 'fuzzy' });
      const { items, total } = await groups.list({ ...request.list({}), filters });
      const json = items.map(({ id, name, kind }) => ({
        id,
        group_name: name,
        group_type: KINDS[kind],
      }));
      return { json, total };
    },
  });

const getGroup = (groups: Groups): ApiRoute =>
  route({
    operation: 'getUserGroup',
    method: 'GET',
    path: '/usergroups/{group_id}',
    permission: { system: 'user-group:read' },
    answers: [200, 400, 401, 403, 404],
    handle: async ({ id }) => ({ json: groupJson(await groups.get(id('group_id'))) }),
  });

const renameGroup = (groups: Groups): ApiRoute =>
  route({
    operation: 'updateUserGroup',
    method: 'PUT',
    path: '/usergroups/{group_id}',
    permission: { system: 'user-group:update' },
    answers: [200, 400, 401, 403, 404],
    async handle({ id, json, actor }) {
      const { group_name: name } = await json(z.object({ group_name: z.string() }));
      await groups.rename(id('group_id'), name, actor);
      return DONE;
    },
  });

const removeGroup = (groups: Groups): ApiRoute =>
  route({
    operation: 'deleteUserGroup',
    method: 'DELETE',
    path: '/usergroups/{group_id}',
    permission: { system: 'user-group:delete' },
    answers: [200, 400, 401, 403],
    async handle({ id, actor }) {
      await groups.remove(id('group_id'), actor);
      return DONE;
    },
  });

function filterOf(
  { query }: ApiRequest,
  parameter: string,
  how: { readonly field: string; readonly kind: 'exact' | 'fuzzy' },
): readonly Filter[] {
  const value = query(parameter);
  return value === undefined ? [] : [{ ...how, value }];
}

function groupJson({ id, name, kind, ldapDn }: Group): object {
  return {
    id,
    group_name: name,
    group_type: KINDS[kind],
    ...(ldapDn === undefined ? {} : { ldap_group_dn: ldapDn }),
  };
}
