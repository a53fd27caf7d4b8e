/** A running node with four projects, and everybody who may ask it for something. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { loadConfig } from '../../src/config/load.ts';
import { startNode } from '../../src/node.ts';
import { type Answer, createClient, type Sent } from '../http/support/client.ts';
import { pushImage } from '../http/support/push.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { startUpstream } from '../support/upstream.ts';
import { HARBOR_PUBLIC, HARBOR_ROLES } from './harbor-roles.ts';

export interface World extends AsyncDisposable {
  readonly callers: readonly Caller[];
  send(sent: Sent): Promise<Answer>;
  /** Below `/api/v2.0`, by the admin, who gets what was asked for. */
  call(method: string, path: string, body: object): Promise<Answer>;
  /** A token for these actions in the repository, cut to what the caller may. */
  tokenFor(caller: Caller, repository: string): Promise<string>;
}

export interface Caller {
  readonly name: string;
  /** `name:password`; nobody has none. */
  readonly as: string | undefined;
  /** In this world's projects, all of them; everything, for the admin. */
  readonly rights: ReadonlySet<string> | 'everything';
  readonly systemRights: ReadonlySet<string>;
}

export interface RoleProject {
  readonly name: string;
  readonly isPublic: boolean;
  readonly isProxy: boolean;
}

/** Each has one repository, `image`, so that nobody can delete it. */
export const PROJECTS: readonly RoleProject[] = [
  { name: 'open', isPublic: true, isProxy: false },
  { name: 'closed', isPublic: false, isProxy: false },
  { name: 'cache', isPublic: true, isProxy: true },
  { name: 'vault', isPublic: false, isProxy: true },
];

const NOTHING: ReadonlySet<string> = new Set();
const PASSWORD = 'Correct-Horse-7';
const ADMIN = 'admin:pw';
const Created = z.object({ name: z.string(), secret: z.string() });
const TokenAnswer = z.object({ token: z.string() });

/** Whether the table says so. */
export function mayIn(project: RoleProject, caller: Caller, permission: string): boolean {
  if (caller.rights === 'everything' || caller.rights.has(permission)) return true;
  return project.isPublic && HARBOR_PUBLIC.has(permission);
}

export function mayOnNode(caller: Caller, permission: string): boolean {
  return caller.rights === 'everything' || caller.systemRights.has(permission);
}

export async function openWorld(): Promise<World> {
  await using opened = new AsyncDisposableStack();
  const { path: folder } = opened.use(await temporaryDirectory());
  const upstream = opened.use(await startUpstream());
  upstream.addImage('image', 'v1', [Buffer.from('layer')]);
  const file = join(folder, 'config.yaml');
  await writeFile(file, configOf(folder));
  const config = await loadConfig({ file, env: {}, overrides: [] });
  const node = opened.use(await startNode(config, { version: '0.0.0' }));
  const [address] = node.addresses;
  assert.ok(address);
  const client = opened.use(createClient(address));
  const send = (sent: Sent): Promise<Answer> => client.send(sent);
  const call: World['call'] = (method, path, body) =>
    send({
      method,
      path: `/api/v2.0${path}`,
      as: ADMIN,
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    });
  await createProjects(call, upstream.url);
  await fill(send);
  const callers = await callersOf(call);
  const resources = opened.move();
  return {
    callers,
    send,
    call,
    async tokenFor({ as }, repository) {
      const scope = `repository:${repository}:pull,push,delete`;
      const path = `/service/token?service=portolan&scope=${scope}`;
      const answer = await send(as === undefined ? { path } : { path, as });
      return TokenAnswer.parse(answer.json()).token;
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

function configOf(folder: string): string {
  return `
listen: { address: '127.0.0.1:0' }
data: ${folder}/data
admin: { password: pw }
seed: false
limits: { privateEndpoints: true }
`;
}

async function createProjects(call: World['call'], upstream: URL): Promise<void> {
  const registry = { name: 'lab', type: 'docker-registry', url: upstream.origin };
  const { headers } = await call('POST', '/registries', registry);
  const id = Number(/\d+$/.exec(headers.location ?? '')?.[0]);
  for (const { name, isPublic, isProxy } of PROJECTS) {
    const hosted = { project_name: name, metadata: { public: String(isPublic) } };
    const answer = await call(
      'POST',
      '/projects',
      isProxy ? { ...hosted, registry_id: id } : hosted,
    );
    assert.equal(answer.status, 201, answer.body.toString());
  }
}

/** An image in each project: pushed, or pulled through. */
async function fill(send: World['send']): Promise<void> {
  for (const { name, isProxy } of PROJECTS) {
    const path = `/v2/${name}/image/manifests/v1`;
    if (isProxy) {
      assert.equal((await send({ path, as: ADMIN })).status, 200);
      continue;
    }
    await pushImage({ send }, `${name}/image`, ['v1']);
  }
}

async function callersOf(call: World['call']): Promise<readonly Caller[]> {
  const callers: Caller[] = [
    { name: 'nobody', as: undefined, rights: NOTHING, systemRights: NOTHING },
    { name: 'the admin', as: ADMIN, rights: 'everything', systemRights: NOTHING },
    await userOf(call, 'stranger', undefined),
  ];
  for (const role of HARBOR_ROLES.keys())
    callers.push(await userOf(call, role.toLowerCase(), role));
  callers.push(
    await robotOf(call, 'puller', ['repository:pull', 'artifact:read'], []),
    await robotOf(call, 'keeper', ['repository:push', 'label:create'], ['user:list', 'quota:read']),
  );
  return callers;
}

async function userOf(
  call: World['call'],
  name: string,
  role: string | undefined,
): Promise<Caller> {
  const email = `${name}@portolan.example`;
  const user = { username: name, password: PASSWORD, email, realname: name };
  assert.equal((await call('POST', '/users', user)).status, 201);
  const rights = role === undefined ? NOTHING : (HARBOR_ROLES.get(role) ?? NOTHING);
  for (const project of role === undefined ? [] : PROJECTS) {
    const member = { role_id: ROLE_IDS[role ?? ''], member_user: { username: name } };
    assert.equal((await call('POST', `/projects/${project.name}/members`, member)).status, 201);
  }
  return { name, as: `${name}:${PASSWORD}`, rights, systemRights: NOTHING };
}

/** Harbor's (src/common/const.go). */
const ROLE_IDS: Readonly<Record<string, number>> = {
  projectAdmin: 1,
  developer: 2,
  guest: 3,
  maintainer: 4,
  limitedGuest: 5,
};

async function robotOf(
  call: World['call'],
  name: string,
  rights: readonly string[],
  systemRights: readonly string[],
): Promise<Caller> {
  const onProjects = PROJECTS.map((project) => ({
    kind: 'project',
    namespace: project.name,
    access: accessOf(rights),
  }));
  const onNode = { kind: 'system', namespace: '/', access: accessOf(systemRights) };
  const permissions = systemRights.length === 0 ? onProjects : [...onProjects, onNode];
  const answer = await call('POST', '/robots', {
    name,
    level: 'system',
    duration: -1,
    permissions,
  });
  assert.equal(answer.status, 201, answer.body.toString());
  const created = Created.parse(answer.json());
  return {
    name: `the robot ${name}`,
    as: `${created.name}:${created.secret}`,
    rights: new Set(rights),
    systemRights: new Set(systemRights),
  };
}

function accessOf(permissions: readonly string[]) {
  return permissions.map((permission) => {
    const [resource, action] = permission.split(':');
    return { resource, action };
  });
}
