/** A source with more repositories than are read together of its list. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { until } from '../support/until.ts';
import { json, startUpstream, type Upstream } from '../support/upstream.ts';
import { ADMINS, endpointAt, type ReplicatingNode, startReplicatingNode } from './support/nodes.ts';

/** Names that are read together. */
const AHEAD = 10_000;
/** Names of one answer. */
const PAGE = 1_000;
const CATALOGUE = { path: /\/_catalog/ };
/** The first name, the first of the sixth hundred, which is a page of Harbor's, and the first that is read later. */
const APPS = [app(0), app(500), app(AHEAD)] as const;
const TOTAL = AHEAD + PAGE / 2;
const WITHIN = { withinMs: 20_000 };
const Tasks = z.array(
  z.object({
    kind: z.string(),
    state: z.string(),
    resource: z.string(),
    reason: z.string().nullish(),
  }),
);

describe('a run over very many repositories', () => {
  it('copies before the source was asked for the last of them', async () => {
    await using world = await openWorld();
    const { source, node } = world;
    using last = held(source, behind(AHEAD - 1));
    const execution = await node.start(1);

    for (const name of APPS.slice(0, -1)) await untilCopied(node, name);

    assert.deepEqual(await node.tags(`mirror/${APPS[2]}`), []);
    last.release();
    const { status } = await node.ended(execution);
    assert.equal(status, 'Succeed', await node.log(execution));
    assert.deepEqual(await node.tags(`mirror/${APPS[2]}`), ['v1']);
  });

  for (const { name, size, pages } of [
    { name: 'asks for each page once', size: AHEAD - 1, pages: 10 },
    {
      name: 'asks for the list once more where not all were read together',
      size: TOTAL,
      pages: 22,
    },
  ]) {
    it(name, async () => {
      await using world = await openWorld({}, { size });
      const { source, node } = world;

      const { id, status } = await node.run(1);

      assert.equal(status, 'Succeed', await node.log(id));
      assert.equal(source.count(CATALOGUE), pages);
      for (const each of appsOf(size)) assert.deepEqual(await node.tags(`mirror/${each}`), ['v1']);
    });
  }

  it('looks for what it selects in one task of what is read together', async () => {
    await using world = await openWorld();
    const { node } = world;

    const { id } = await node.run(1);

    const kinds = (await tasksOf(node, id)).map(({ kind }) => kind);
    assert.equal(kinds.filter((kind) => kind === 'expand').length, 2);
  });

  it('leaves nothing out after a restart, and looks at nothing twice', async () => {
    await using world = await openWorld();
    const { source, node } = world;
    using last = held(source, behind(AHEAD - 1));
    const execution = await node.start(1);
    for (const name of APPS.slice(0, -1)) await untilCopied(node, name);
    await node[Symbol.asyncDispose]();
    // Where the list has to go on: what was there is gone.
    source.removeRepository(filler(AHEAD - 1));
    last.release();

    await using again = await world.startNode();

    const { status } = await again.ended(execution);
    assert.equal(status, 'Succeed', await again.log(execution));
    for (const name of APPS) assert.deepEqual(await again.tags(`mirror/${name}`), ['v1']);
    assert.deepEqual(
      (await tasksOf(again, execution))
        .filter(({ kind }) => kind === 'expand-repository')
        .map(({ resource }) => resource)
        .toSorted(),
      APPS,
    );
  });

  it('deletes nothing, as a mirror, before it has looked at all of them', async () => {
    await using world = await openWorld({ prune: { atMost: 5 } });
    const { source, node } = world;
    source.addImage(APPS[0], 'v2', [Buffer.from('v2')]);
    await node.run(1);
    assert.deepEqual(await node.tags(`mirror/${APPS[0]}`), ['v1', 'v2']);
    source.remove(APPS[0], 'v2');
    using last = held(source, behind(AHEAD - 1));
    const execution = await node.start(1);

    await until(async () => isLookedAt(await tasksOf(node, execution), APPS[1]), WITHIN);

    const limits = (await tasksOf(node, execution)).filter(
      ({ kind }) => kind === 'limit-deletions',
    );
    assert.deepEqual(
      limits.map(({ state }) => state),
      ['waiting'],
    );
    assert.deepEqual(await node.tags(`mirror/${APPS[0]}`), ['v1', 'v2']);
    last.release();
    const { status } = await node.ended(execution);
    assert.equal(status, 'Succeed', await node.log(execution));
    assert.deepEqual(await node.tags(`mirror/${APPS[0]}`), ['v1']);
  });

  it('copies nothing where one of the last would be called as one of the first', async () => {
    const destinations = [{ endpoint: 'local', namespace: 'mirror', flatten: 'all' }];
    await using world = await openWorld({ destinations });
    const { source, node } = world;
    source.addImage(`many/of-others/${app(0).slice('many/'.length)}`, 'v1', [Buffer.from('other')]);

    const { id, status } = await node.run(1);

    assert.equal(status, 'Failed');
    const reasons = (await tasksOf(node, id)).map(({ reason }) => reason ?? '');
    assert.match(reasons.join(), /would both be mirror\/00000-app/);
    assert.deepEqual(await node.tags('mirror/00000-app'), []);
  });
});

describe('a list that shifts while what it gave is looked at', () => {
  it('has nothing left out where a name behind which nothing is listed any more is its place', async () => {
    await using world = await openWorld();
    const { source, node } = world;
    answersAsZot(source);
    using last = held(source, behind(AHEAD - 1));
    const execution = await node.start(1);
    await untilCopied(node, APPS[0]);
    await until(() => source.count({ path: behind(AHEAD - 1) }) > 0, WITHIN);
    source.removeRepository(filler(AHEAD - 1));
    last.release();

    const { status } = await node.ended(execution);

    assert.equal(status, 'Succeed', await node.log(execution));
    for (const name of APPS) assert.deepEqual(await node.tags(`mirror/${name}`), ['v1'], name);
  });

  it('has nothing left out of fewer repositories where its pages are numbers', async () => {
    const size = 600;
    await using world = await openWorld({}, { size, endpoint: { adapter: 'harbor', ...ADMINS } });
    const { source, node } = world;
    // Those behind it move up by one, when the first one is looked at.
    answersAsHarbor(source, () => source.removeRepository(filler(7)));

    const { id, status } = await node.run(1);

    assert.equal(status, 'Succeed', await node.log(id));
    for (const name of appsOf(size)) {
      assert.deepEqual(await node.tags(`mirror/${name}`), ['v1'], name);
    }
  });
});

interface World extends AsyncDisposable {
  readonly source: Upstream;
  readonly node: ReplicatingNode;
  /** Once the first one is gone. */
  startNode(): Promise<ReplicatingNode>;
}

interface SourceOptions {
  /** Repositories. */
  readonly size?: number;
  readonly endpoint?: Readonly<Record<string, unknown>>;
}

/** A policy that copies three repositories of very many. */
async function openWorld(
  rules: Readonly<Record<string, unknown>> = {},
  { size = TOTAL, endpoint }: SourceOptions = {},
): Promise<World> {
  await using opened = new AsyncDisposableStack();
  const directory = opened.use(await temporaryDirectory());
  const source = opened.use(await startUpstream({ pageSize: PAGE }));
  const apps = appsOf(size);
  for (const name of apps) source.addImage(name, 'v1', [Buffer.from(name)]);
  for (let index = 0; index < size; index++) {
    if (!apps.includes(app(index))) source.addBlob(filler(index), Buffer.from('blob'));
  }
  const startNode = () =>
    startReplicatingNode(directory.path, 'node', {
      projects: { mirror: {} },
      endpoints: { source: endpointAt(source.url, endpoint) },
      policies: {
        replication: {
          all: {
            source: 'source',
            destinations: [{ endpoint: 'local', namespace: 'mirror' }],
            repositories: ['many/*-app', 'many/*/*-app'],
            ...rules,
          },
        },
      },
    });
  const node = opened.use(await startNode());
  const resources = opened.move();
  return { source, node, startNode, [Symbol.asyncDispose]: () => resources.disposeAsync() };
}

/** As zot's catalogue: behind a name that is gone it has nothing. */
function answersAsZot(source: Upstream): void {
  source.serveApi(CATALOGUE.path, ({ url }) => {
    const names = [...source.held.keys()].toSorted();
    const last = url.searchParams.get('last');
    const from = last === null ? 0 : names.indexOf(last) + 1;
    const behindIt = last === null || from > 0 ? names.slice(from) : [];
    const repositories = behindIt.slice(0, PAGE);
    const next = `</v2/_catalog?n=${PAGE}&last=${repositories.at(-1)}>; rel="next"`;
    return json({ repositories }, 200, behindIt.length > PAGE ? { link: next } : {});
  });
}

/** As Harbor's API: a page is a number. @param looked called when the artifacts of the first repository are asked for */
function answersAsHarbor(source: Upstream, looked: () => void): void {
  source.serveApi(/^\/api\/v2\.0\//, ({ url: { pathname, searchParams } }) => {
    const [, name] = /\/repositories\/([^/]+)\/artifacts$/.exec(pathname) ?? [];
    if (name === app(0).slice('many/'.length)) looked();
    if (name !== undefined) {
      const tags = [...(source.held.get(`many/${name}`) ?? [])];
      return json(tags.map(([tag, digest]) => ({ digest, tags: [{ name: tag }] })));
    }
    const [page, size] = [Number(searchParams.get('page')), Number(searchParams.get('page_size'))];
    const names = [...source.held.keys()].toSorted().slice((page - 1) * size);
    const next = `<${pathname}?page=${page + 1}&page_size=${size}>; rel="next"`;
    const repositories = names.slice(0, size).map((each) => ({ name: each }));
    return json(repositories, 200, names.length > size ? { link: next } : {});
  });
}

/** Answers to such requests wait until somebody releases them. */
function held(source: Upstream, path: RegExp): Disposable & { readonly release: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  const rule = source.behave({ path }, { hold: promise });
  const release = (): void => {
    rule[Symbol.dispose]();
    resolve();
  };
  return { release, [Symbol.dispose]: release };
}

const untilCopied = (node: ReplicatingNode, name: string): Promise<void> =>
  until(async () => (await node.tags(`mirror/${name}`)).includes('v1'), WITHIN);

async function tasksOf(node: ReplicatingNode, execution: number) {
  const path = `/api/portolan/v1/replication/executions/${execution}/tasks?page_size=100`;
  return Tasks.parse((await node.send({ path })).json());
}

const isLookedAt = (tasks: Awaited<ReturnType<typeof tasksOf>>, name: string): boolean =>
  tasks.some(
    ({ kind, state, resource }) =>
      kind === 'expand-repository' && state === 'succeeded' && resource === name,
  );

/** The page behind that one. */
function behind(index: number): RegExp {
  return new RegExp(`_catalog\\?.*last=${filler(index)}`);
}

function appsOf(size: number): readonly string[] {
  return APPS.filter((name) => name < app(size));
}

function app(index: number): string {
  return `${filler(index)}-app`;
}

function filler(index: number): string {
  return `many/${String(index).padStart(5, '0')}`;
}
