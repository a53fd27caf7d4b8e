import { z } from 'zod';
import { ManagementError } from '../../oci/management-error.ts';
import { timeJson } from './json.ts';
import type { Listed, ListQuery } from './list-query.ts';
import { type Actor, type ApiRoute, DONE, route } from './route.ts';
import { adapterOf, typeOf, type Vendor } from './vendors.ts';

/** A remote registry, as people may see it. Times are milliseconds UTC. */
export interface Endpoint {
  readonly id: number;
  readonly name: string;
  readonly description: string;
  readonly adapter: string;
  readonly url: string;
  readonly username: string | undefined;
  readonly ca: string | undefined;
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** What is left out stays; empty text is none. */
interface EndpointChange {
  readonly name?: string | undefined;
  readonly description?: string | undefined;
  readonly url?: string | undefined;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  readonly ca?: string | undefined;
}
interface NewEndpoint extends EndpointChange {
  readonly name: string;
  readonly adapter: string;
  readonly url: string;
}
interface Waiting {
  readonly signal: AbortSignal;
}

/** What these routes need of the node. @throws ManagementError */
export interface Endpoints {
  list(query: ListQuery): Promise<Listed<Endpoint>>;
  get(id: number): Promise<Endpoint>;
  create(endpoint: NewEndpoint, actor: Actor, options: Waiting): Promise<{ readonly id: number }>;
  update(id: number, change: EndpointChange, actor: Actor, options: Waiting): Promise<void>;
  remove(id: number, actor: Actor): Promise<void>;
  ping(endpoint: number | Omit<NewEndpoint, 'name'>, options: Waiting): Promise<void>;
}

/** What is said of a secret that there is. */
const HIDDEN = '*****';

const Registry = z.object({
  name: z.string(),
  url: z.string(),
  type: z.string(),
  description: z.string().optional(),
  credential: z
    .object({ access_key: z.string().optional(), access_secret: z.string().optional() })
    .optional(),
  insecure: z.boolean().optional(),
  ca_certificate: z.string().optional(),
});
const Change = z.object({
  name: z.string().optional(),
  url: z.string().optional(),
  description: z.string().optional(),
  access_key: z.string().optional(),
  access_secret: z.string().optional(),
  insecure: z.boolean().optional(),
  ca_certificate: z.string().optional(),
});
const Ping = Change.extend({ id: z.int().optional(), type: z.string().optional() });

const FIELDS = {
  id: 'id',
  name: 'name',
  url: 'url',
  type: 'adapter',
  creation_time: 'createdAt',
  update_time: 'updatedAt',
};

/** Remote registries, of those vendors. */
export function registryRoutes(
  endpoints: Endpoints,
  vendors: readonly Vendor[],
): readonly ApiRoute[] {
  return [
    listRegistries(endpoints, vendors),
    createRegistry(endpoints, vendors),
    pingRegistry(endpoints, vendors),
    getRegistry(endpoints, vendors),
    updateRegistry(endpoints),
    deleteRegistry(endpoints),
  ];
}

const listRegistries = (endpoints: Endpoints, vendors: readonly Vendor[]): ApiRoute =>
  route({
    operation: 'listRegistries',
    method: 'GET',
    path: '/registries',
    permission: { system: 'registry:list' },
    answers: [200, 401, 403],
    async handle({ list, query }) {
      const value = query('name');
      const named = value === undefined ? [] : [{ field: 'name', kind: 'fuzzy', value } as const];
      const asked = list(FIELDS);
      const filters = [...asked.filters, ...named];
      const { items, total } = await endpoints.list({ ...asked, filters });
      return { json: items.map((each) => registryJson(each, vendors)), total };
    },
  });

const createRegistry = (endpoints: Endpoints, vendors: readonly Vendor[]): ApiRoute =>
  route({
    operation: 'createRegistry',
    method: 'POST',
    path: '/registries',
    permission: { system: 'registry:create' },
    answers: [201, 400, 401, 403, 409],
    async handle({ json, actor, signal }) {
      const { name, url, type, credential, ...rest } = await json(Registry);
      const change = changeOf({ ...rest, ...credential });
      const endpoint = { ...change, name, url, adapter: adapterOf(type, vendors) };
      const { id } = await endpoints.create(endpoint, actor, { signal });
      return { location: `/registries/${id}` };
    },
  });

const pingRegistry = (endpoints: Endpoints, vendors: readonly Vendor[]): ApiRoute =>
  route({
    operation: 'pingRegistry',
    method: 'POST',
    path: '/registries/ping',
    permission: { system: 'registry:read' },
    answers: [200, 400, 401, 403, 404],
    async handle({ json, signal }) {
      const { id = 0, type = '', url = '', ...rest } = await json(Ping);
      // One that there is is asked as it is, so that nobody learns its secret by having it sent elsewhere.
      const asked = id > 0 ? id : { ...changeOf(rest), url, adapter: adapterOf(type, vendors) };
      await endpoints.ping(asked, { signal });
      return DONE;
    },
  });

const getRegistry = (endpoints: Endpoints, vendors: readonly Vendor[]): ApiRoute =>
  route({
    operation: 'getRegistry',
    method: 'GET',
    path: '/registries/{id}',
    permission: { system: 'registry:read' },
    answers: [200, 401, 403, 404],
    handle: async ({ id }) => ({ json: registryJson(await endpoints.get(id('id')), vendors) }),
  });

const updateRegistry = (endpoints: Endpoints): ApiRoute =>
  route({
    operation: 'updateRegistry',
    method: 'PUT',
    path: '/registries/{id}',
    permission: { system: 'registry:update' },
    answers: [200, 400, 401, 403, 404, 409],
    async handle({ id, json, actor, signal }) {
      await endpoints.update(id('id'), changeOf(await json(Change)), actor, { signal });
      return DONE;
    },
  });

const deleteRegistry = (endpoints: Endpoints): ApiRoute =>
  route({
    operation: 'deleteRegistry',
    method: 'DELETE',
    path: '/registries/{id}',
    permission: { system: 'registry:delete' },
    answers: [200, 401, 403, 404, 412],
    async handle({ id, actor }) {
      await endpoints.remove(id('id'), actor);
      return DONE;
    },
  });

/** @throws ManagementError BAD_REQUEST for a registry whose certificate nobody shall look at */
function changeOf(asked: z.infer<typeof Change>): EndpointChange {
  if (asked.insecure === true) {
    throw new ManagementError('BAD_REQUEST', 'insecure: give ca_certificate, which is as easy');
  }
  const { name, url, description, access_key, access_secret, ca_certificate: ca } = asked;
  // Whoever read it sends it back.
  const password = access_secret === HIDDEN ? undefined : access_secret;
  return { name, url, description, username: access_key, password, ca };
}

/** As the contract has one. */
export function registryJson(
  { adapter, username, ca, ...endpoint }: Endpoint,
  vendors: readonly Vendor[],
): object {
  return {
    id: endpoint.id,
    name: endpoint.name,
    description: endpoint.description,
    url: endpoint.url,
    type: typeOf(adapter, vendors),
    insecure: false,
    ...(ca === undefined ? {} : { ca_certificate: ca }),
    ...(username === undefined
      ? {}
      : { credential: { type: 'basic', access_key: username, access_secret: HIDDEN } }),
    creation_time: timeJson(endpoint.createdAt),
    update_time: timeJson(endpoint.updatedAt),
  };
}
