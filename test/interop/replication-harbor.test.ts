/** Another node in Harbor's role: lists, projects, labels and deletions by the API that Harbor has. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import got from 'got';
import { z } from 'zod';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { closureHeld, tagsHeld } from './support/held.ts';
import { makeImage, pushImage } from './support/images.ts';
import { create, createRobot, read } from './support/management.ts';
import { policiesOf } from './support/policies.ts';
import { until } from './support/processes.ts';
import { type NodeProcess, startPortolan } from './support/registries.ts';
import { basic } from './support/wire.ts';

/** A node, and who may everything there. */
interface Managed {
  readonly node: NodeProcess;
  readonly admin: string;
}

const TO_LABELLED = {
  source: 'other',
  destinations: [{ endpoint: 'local', namespace: 'mirror' }],
  repositories: ['team*/**'],
  labels: ['released'],
};
const TO_ALL = {
  source: 'other',
  destinations: [{ endpoint: 'local', namespace: 'mirror', flatten: 1 }],
  repositories: ['team/**'],
};
const ONWARD = {
  source: 'local',
  destinations: [{ endpoint: 'other', namespace: 'made' }],
  repositories: ['mirror/**'],
  trigger: { event: 'push' },
  delete: true,
};

describe('another Portolan by Harbor’s API', { timeout: 300_000 }, () => {
  it('is copied from: of all its projects, what carries a label', async () => {
    await using directory = await temporaryDirectory();
    const push = await pusherIn(directory.path);
    await using other = await start(join(directory.path, 'other'));
    for (const project of ['team-a', 'team-b', 'secret']) {
      await create(other, '/projects', { project_name: project });
      for (const tag of ['1', '2']) await push(other, `${project}/deep/app:${tag}`);
    }
    const id = await create(other, '/labels', { name: 'released', scope: 'g' });
    await label(other, 'team-a', { artifact: '1', id });
    await label(other, 'team-b', { artifact: '2', id });
    await label(other, 'secret', { artifact: '1', id });
    await using here = await start(join(directory.path, 'here'), {
      endpoints: { other: endpointAt(other) },
      policies: { replication: { fetch: TO_LABELLED } },
    });

    const { status, log } = await policiesOf(here.node).run('fetch');

    assert.equal(status, 'Succeed', log);
    assert.deepEqual(await repositoriesAt(here, 'mirror'), [
      'mirror/team-a/deep/app',
      'mirror/team-b/deep/app',
    ]);
    const copied = await tags(here, 'mirror/team-a/deep/app');
    assert.deepEqual([...copied.keys()], ['1']);
    assert.equal(copied.get('1'), (await tags(other, 'team-a/deep/app')).get('1'));
    assert.deepEqual([...(await tags(here, 'mirror/team-b/deep/app')).keys()], ['2']);
    await closureHeld(placeOf(here, 'mirror/team-a/deep/app'), copied.values());
  });

  it('is copied from by a robot that may do no more than that', async () => {
    await using directory = await temporaryDirectory();
    const push = await pusherIn(directory.path);
    await using other = await start(join(directory.path, 'other'));
    for (const project of ['team', 'team-b']) {
      await create(other, '/projects', { project_name: project });
    }
    for (const name of ['team/app:1', 'team/other:1', 'team-b/app:1']) await push(other, name);
    const robot = await createRobot(other, 'team', {
      repository: ['pull', 'list', 'read'],
      artifact: ['list', 'read'],
      tag: ['list'],
    });
    await using here = await start(join(directory.path, 'here'), {
      endpoints: { other: endpointAt(other, robot) },
      policies: { replication: { fetch: TO_ALL } },
    });

    const { status, log } = await policiesOf(here.node).run('fetch');

    assert.equal(status, 'Succeed', log);
    assert.deepEqual(await repositoriesAt(here, 'mirror'), ['mirror/app', 'mirror/other']);
  });

  it('is copied to, into a project that it did not have, and loses the tags that go here', async () => {
    await using directory = await temporaryDirectory();
    const push = await pusherIn(directory.path);
    await using other = await start(join(directory.path, 'other'));
    await using here = await start(join(directory.path, 'here'), {
      endpoints: { other: endpointAt(other) },
      policies: { replication: { onward: ONWARD } },
    });

    await push(here, 'mirror/app:1');
    await push(here, 'mirror/app:also');

    const copied = 'made/mirror/app';
    const names = async () => [...(await tags(other, copied).catch(() => new Map())).keys()];
    assert.ok(await until(async () => (await names()).length === 2), here.node.log());
    assert.deepEqual(await tags(other, copied), await tags(here, 'mirror/app'));
    await closureHeld(placeOf(other, copied), (await tags(other, copied)).values());
    const [project] = Named.parse(await read(other, '/projects?name=made'));
    assert.equal(project?.metadata?.public, 'false', 'nobody but its members sees it');

    await remove(here, '/projects/mirror/repositories/app/artifacts/1/tags/1');

    assert.ok(await until(async () => (await names()).join() === 'also'), here.node.log());
    const listed = await read(other, '/projects/made/repositories/mirror%252Fapp/artifacts');
    assert.equal(z.array(z.unknown()).parse(listed).length, 2, 'only the tag went');
  });
});

const Named = z.array(
  z.object({ name: z.string(), metadata: z.object({ public: z.string() }).optional() }),
);

async function start(
  folder: string,
  configuration: Record<string, unknown> = {},
): Promise<Managed & AsyncDisposable> {
  const node = await startPortolan(folder, {
    configuration: { projects: { mirror: {} }, ...configuration },
  });
  const admin = `admin:${node.adminPassword}`;
  return { node, admin, [Symbol.asyncDispose]: () => node[Symbol.asyncDispose]() };
}

function endpointAt(
  { node }: Managed,
  credential = { username: 'admin', password: node.adminPassword },
): object {
  return { adapter: 'harbor', url: node.url, allowPrivateAddress: true, credential };
}

/** Pushes a small image of its own each time. */
async function pusherIn(parent: string) {
  let images = 0;
  return async ({ node, admin }: Managed, name: string): Promise<void> => {
    const folder = join(parent, `image-${++images}`);
    const image = await makeImage(folder, name);
    await pushImage(image, `${node.host}/${name}`, { folder, credentials: admin });
  };
}

function placeOf({ node, admin }: Managed, repository: string) {
  return { url: node.url, repository, login: admin };
}

function tags(managed: Managed, repository: string): Promise<ReadonlyMap<string, string>> {
  return tagsHeld(placeOf(managed, repository));
}

async function repositoriesAt(managed: Managed, project: string): Promise<readonly string[]> {
  const listed = Named.parse(await read(managed, `/projects/${project}/repositories`));
  return listed.map(({ name }) => name).toSorted();
}

/** Puts the label on an artifact of `deep/app`. */
async function label(
  { node, admin }: Managed,
  project: string,
  { artifact, id }: { readonly artifact: string; readonly id: string },
): Promise<void> {
  const path = `projects/${project}/repositories/deep%252Fapp/artifacts/${artifact}/labels`;
  await got.post(`${node.url}/api/v2.0/${path}`, {
    json: { id: Number(id.split('/').at(-1)) },
    headers: { authorization: basic(admin) },
  });
}

async function remove({ node, admin }: Managed, path: string): Promise<void> {
  await got.delete(`${node.url}/api/v2.0${path}`, { headers: { authorization: basic(admin) } });
}
