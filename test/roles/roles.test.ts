/** Every role, every route, every kind of project: what Harbor's table says, asked of a running node. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { z } from 'zod';
import { operationsOf } from '../../src/http/api/api.ts';
import type { ApiRoute } from '../../src/http/api/route.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { openCatalogPorts } from '../http/support/catalog-ports.ts';
import type { Answer } from '../http/support/client.ts';
import { mayIn, mayOnNode, openWorld, PROJECTS, type RoleProject, type World } from './world.ts';

const ABSENT = digestOf(Buffer.from('nobody has this'));

/** Of `/v2`, after the repository's name; none finds anything, so that nothing changes. */
const V2_ROUTES = [
  { method: 'GET', path: `manifests/${ABSENT}`, needs: 'repository:pull' },
  { method: 'HEAD', path: `manifests/${ABSENT}`, needs: 'repository:pull' },
  { method: 'GET', path: `blobs/${ABSENT}`, needs: 'repository:pull' },
  { method: 'HEAD', path: `blobs/${ABSENT}`, needs: 'repository:pull' },
  { method: 'GET', path: 'tags/list', needs: 'repository:pull' },
  { method: 'GET', path: `referrers/${ABSENT}`, needs: 'repository:pull' },
  { method: 'PUT', path: 'manifests/v2', needs: 'repository:push' },
  { method: 'POST', path: 'blobs/uploads/?digest=none', needs: 'repository:push' },
  { method: 'GET', path: 'blobs/uploads/none', needs: 'repository:pull' },
  { method: 'PATCH', path: 'blobs/uploads/none', needs: 'repository:push' },
  { method: 'PUT', path: `blobs/uploads/none?digest=${ABSENT}`, needs: 'repository:push' },
  { method: 'DELETE', path: 'blobs/uploads/none', needs: 'repository:push' },
  { method: 'DELETE', path: `manifests/${ABSENT}`, needs: 'repository:delete' },
  { method: 'DELETE', path: 'manifests/none', needs: 'repository:delete' },
  { method: 'DELETE', path: `blobs/${ABSENT}`, needs: 'repository:delete' },
] as const;

describe('the table of roles', async () => {
  await using opened = await openCatalogPorts();
  const routes = operationsOf(opened.ports.api);
  let world: World;
  before(async () => {
    world = await openWorld();
  });
  after(() => world[Symbol.asyncDispose]());

  for (const project of PROJECTS) {
    const kind = `${project.isPublic ? 'public' : 'private'} ${project.isProxy ? 'proxy' : 'hosted'}`;
    it(`decides each request of the protocol in a ${kind} project, by password and by token`, async () => {
      for (const caller of world.callers) {
        const token = await world.tokenFor(caller, `${project.name}/image`);
        for (const { method, path, needs } of V2_ROUTES) {
          const what = `${caller.name}: ${method} ${project.name} ${path}`;
          const sent = { method, path: `/v2/${project.name}/image/${path}` };
          const isAllowed = mayIn(project, caller, needs);
          const byToken = { ...sent, headers: { Authorization: `Bearer ${token}` } };
          const byPassword = caller.as === undefined ? sent : { ...sent, as: caller.as };

          assertDecided(await world.send(byPassword), isAllowed, what);
          assertDecided(await world.send(byToken), isAllowed, `${what}, by token`);
        }
      }
    });

    it(`decides each operation of the API on a ${kind} project`, async () => {
      for (const route of routes) {
        const { permission } = route;
        if (typeof permission === 'string' || 'system' in permission) continue;
        const needs = 'project' in permission ? permission.project : permission.either;
        for (const caller of world.callers) {
          const sent = await requestFor(world, route, project);
          const signed = caller.as === undefined ? sent : { ...sent, as: caller.as };
          const what = `${caller.name}: ${route.method} ${sent.path}`;

          assertDecided(await world.send(signed), mayIn(project, caller, needs), what);
        }
      }
    });
  }

  it('decides each operation of the API on the node', async () => {
    for (const route of routes) {
      const { permission } = route;
      if (typeof permission === 'string' || !('system' in permission)) continue;
      for (const caller of world.callers) {
        const sent = request(route, route.path.replaceAll(/\{\w+\}/g, '999999999'));
        const signed = caller.as === undefined ? sent : { ...sent, as: caller.as };
        const what = `${caller.name}: ${route.method} ${sent.path}`;
        // Others are told of the projects where they may; what that is, the operation's own test says.
        const isForOthers = permission.orInProjects !== undefined && caller.as !== undefined;
        const isAllowed = isForOthers || mayOnNode(caller, permission.system);

        assertDecided(await world.send(signed), isAllowed, what);
      }
    }
  });

  it('lets everybody do what needs an account, who has one', async () => {
    for (const route of routes) {
      // Only who may give permissions is told which there are.
      if (route.permission !== 'signed-in' || route.operation === 'getPermissions') continue;
      for (const caller of world.callers) {
        const sent = request(route, route.path);
        const signed = caller.as === undefined ? sent : { ...sent, as: caller.as };

        assertDecided(
          await world.send(signed),
          caller.as !== undefined,
          `${caller.name}: ${route.path}`,
        );
      }
    }
  });

  it('tells a private project from one that is not there to nobody who may not see it', async () => {
    const strangers = world.callers.filter(
      ({ rights }) => rights !== 'everything' && rights.size === 0,
    );
    for (const caller of strangers) {
      for (const { method, path } of V2_ROUTES) {
        const ask = async (project: string): Promise<unknown> => {
          const sent = { method, path: `/v2/${project}/image/${path}` };
          const answer = await world.send(
            caller.as === undefined ? sent : { ...sent, as: caller.as },
          );
          const { 'www-authenticate': challenge = '' } = answer.headers;
          const said = `${answer.status} ${answer.body.toString()} ${challenge}`;
          return said.replaceAll(project, 'it');
        };
        const missing = await ask('missing');

        assert.equal(await ask('closed'), missing, `${caller.name}: ${method} ${path}`);
        assert.equal(await ask('vault'), missing, `${caller.name}: ${method} ${path}`);
      }
    }
  });
});

/** One that a caller who may send it changes nothing with. */
async function requestFor(world: World, route: ApiRoute, { name }: RoleProject) {
  const isByName = route.path.includes('{project_name');
  const path = route.path
    .replace(/\{project_name(?:_or_id)?\}/, name)
    .replace('{repository_name}', 'nothing')
    .replace('{reference}', 'nothing');
  if (isByName) return request(route, path.replaceAll(/\{\w+\}/g, '999999999'));
  const project = await idOf(world, name);
  const kind = path.startsWith('/labels') ? 'labels' : 'robots';
  if (route.method === 'POST') return request(route, path, bodyFor(kind, { name, project }));
  if (!path.includes('{')) {
    const query =
      kind === 'labels'
        ? `scope=p&project_id=${project}`
        : `q=Level%3Dproject,ProjectID%3D${project}`;
    return request(route, `${path}?${query}`);
  }
  return request(
    route,
    path.replaceAll(/\{\w+\}/g, String(await newIn(world, kind, { name, project }))),
  );
}

function request({ method }: ApiRoute, path: string, body: object = []) {
  const hasBody = method === 'POST' || method === 'PUT' || method === 'PATCH';
  const sent = { method, path: `/api/v2.0${path}` };
  if (!hasBody) return sent;
  const headers = { 'Content-Type': 'application/json' };
  return { ...sent, headers, body: JSON.stringify(body) };
}

interface Place {
  readonly name: string;
  readonly project: number;
}

/** Complete enough to be asked for, and nothing that could be created. */
function bodyFor(kind: 'labels' | 'robots', { name, project }: Place): object {
  if (kind === 'labels') return { name: '', scope: 'p', project_id: project };
  const permissions = [{ kind: 'project', namespace: name, access: [NO_ACCESS] }];
  return { name: 'x', level: 'project', duration: -1, permissions };
}

const NO_ACCESS = { resource: 'nothing', action: 'nothing' };
let labels = 0;

/** Its id. */
async function newIn(
  world: World,
  kind: 'labels' | 'robots',
  { name, project }: Place,
): Promise<number> {
  labels += 1;
  const access = [{ resource: 'repository', action: 'pull' }];
  const body =
    kind === 'labels'
      ? { name: `label-${labels}`, scope: 'p', project_id: project }
      : {
          name: `robot-${labels}`,
          level: 'project',
          duration: -1,
          permissions: [{ kind: 'project', namespace: name, access }],
        };
  const created = await world.call('POST', `/${kind}`, body);
  assert.equal(created.status, 201, created.body.toString());
  return Number(/\d+$/.exec(created.headers.location ?? '')?.[0]);
}

async function idOf(world: World, name: string): Promise<number> {
  const answer = await world.call('GET', `/projects/${name}`, {});
  return z.object({ project_id: z.number() }).parse(answer.json()).project_id;
}

/** Refused by who asks, or passed on to what then found nothing, or nothing to do. */
function assertDecided(answer: Answer, isAllowed: boolean, what: string): void {
  const text = answer.body.toString();
  assert.ok(answer.status < 500, `${what}: ${answer.status} ${text}`);
  const isHidden = answer.status >= 400 && /that you may see|you may not /.test(text);
  const isRefused = answer.status === 401 || answer.status === 403 || isHidden;
  assert.equal(isRefused, !isAllowed, `${what}: ${answer.status} ${text}`);
}
