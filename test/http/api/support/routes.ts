import assert from 'node:assert/strict';
import Koa from 'koa';
import { ANONYMOUS, type Caller } from '../../../../src/access/caller.ts';
import { apiDoor } from '../../../../src/http/api/door.ts';
import type { StreamLimits } from '../../../../src/http/api/event-stream.ts';
import type { Project } from '../../../../src/http/api/gate.ts';
import {
  type ApiAnswer,
  type ApiRequest,
  type ApiRoute,
  route,
} from '../../../../src/http/api/route.ts';
import { apiRouter, HARBOR } from '../../../../src/http/api/router.ts';
import type { State } from '../../../../src/http/context.ts';
import { type Access, authentication } from '../../../../src/http/middleware/authentication.ts';
import { ociErrors } from '../../../../src/http/middleware/oci-errors.ts';
import { requestFacts } from '../../../../src/http/middleware/request-facts.ts';
import { requestId } from '../../../../src/http/middleware/request-id.ts';
import { requestPath } from '../../../../src/http/middleware/request-path.ts';
import { unknownRoute } from '../../../../src/http/middleware/unknown-route.ts';
import { createOrigins } from '../../../../src/http/origin.ts';
import { listen } from '../../../../src/http/server.ts';
import type { Sessions } from '../../../../src/http/sessions.ts';
import { type Answer, createClient, type Sent } from '../../support/client.ts';

const PROJECTS: readonly Project[] = [
  { id: 1, name: 'open', isPublic: true },
  { id: 2, name: 'closed', isPublic: false },
  { id: 3, name: '2', isPublic: false },
];

/** A guest of `closed`, who is nobody in `2`; with the name of a caller as `Authorization`. */
const CALLERS: Readonly<Record<string, Partial<Caller>>> = {
  admin: { id: 1, isAdmin: true },
  guest: { id: 2, roles: new Map([[2, ['guest']]]) },
  stranger: { id: 3 },
  pusher: { id: 2, isAdmin: true, grants: [] },
  robot: {
    id: 2,
    robot: { system: new Set(), everywhere: new Set(['member:list']), projects: new Map() },
  },
};

export const ACCESS: Access = {
  authenticate: async (name = '') =>
    name === '' ? ANONYMOUS : { ...ANONYMOUS, isAnonymous: false, name, ...CALLERS[name] },
};
const NO_SESSIONS: Sessions = {
  logIn: () => assert.fail('nobody logs in here'),
  find: async () => undefined,
  logOut: async () => {},
};

export interface RoutesNode extends AsyncDisposable {
  send(sent: Sent): Promise<Answer>;
}

/** A listening server that has these operations and no others. */
export async function startRoutes(
  routes: readonly ApiRoute[],
  {
    mirror,
    access = ACCESS,
    limits,
  }: {
    readonly mirror?: string;
    readonly access?: Access;
    readonly limits?: StreamLimits;
  } = {},
): Promise<RoutesNode> {
  const app = new Koa<State, object>();
  const projects = {
    get: async (name: string) => PROJECTS.find((project) => project.name === name),
    list: async () => PROJECTS,
  };
  const middleware = [
    requestId(),
    requestFacts(createOrigins({ mirror })),
    ociErrors(() => undefined),
    apiDoor(),
    requestPath(),
    authentication(access, NO_SESSIONS),
    apiRouter(routes, projects, HARBOR, limits).routes(),
    unknownRoute(),
  ];
  for (const each of middleware) app.use(each);
  app.on('error', () => {});
  await using opened = new AsyncDisposableStack();
  const listener = opened.use(await listen({ address: { host: '127.0.0.1', port: 0 }, app }));
  const client = opened.use(createClient(listener));
  const resources = opened.move();
  return {
    send: (sent) => client.send(sent),
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

/** Operations at `/things` and `/things/{thing_id}` for whoever has an account. */
export function things(
  handle: (request: ApiRequest) => ApiAnswer | Promise<ApiAnswer>,
  answers: readonly [number, ...number[]] = [200, 400, 401, 403, 404, 409, 412],
) {
  const shape = { operation: 'things', permission: 'signed-in', answers, handle } as const;
  return [
    route({ ...shape, method: 'GET', path: '/things/{thing_id}' }),
    route({ ...shape, method: 'POST', path: '/things' }),
  ];
}

/** A request by the caller of that name. */
export function send(path: string, authorization = 'guest', headers: Record<string, string> = {}) {
  return { path: `/api/v2.0${path}`, headers: { Authorization: authorization, ...headers } };
}
