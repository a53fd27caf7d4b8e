/** A source with more repositories than are looked at together. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { until } from '../support/until.ts';
import { startUpstream, type Upstream } from '../support/upstream.ts';
import { endpointAt, type ReplicatingNode, startReplicatingNode } from './support/nodes.ts';

/** Names of one answer of the source: as many as are looked at together. */
const PAGE = 500;
const PAGES = 3;
const CATALOGUE = { path: /\/_catalog/ };
/** The first of each page. */
const APPS = [app(0), app(PAGE), app(2 * PAGE)] as const;
const WITHIN = { withinMs: 20_000 };
const Tasks = z.array(
  z.object({
    kind: z.string(),
    state: z.string(),
    resource: z.string(),
    reason: z.string().nullish(),
  }),
);

describe('a run over many pages of repositories', () => {
  it('copies before the source was asked for the last of them', async () => {
    await using world = await openWorld();
    const { source, node } = world;
    using last = held(source, behind(2 * PAGE - 1));
    const execution = await node.start(1);

    for (const name of APPS.slice(0, -1)) await untilCopied(node, name);

    assert.deepEqual(await node.tags(`mirror/${APPS[2]}`), []);
    last.release();
    const { status } = await node.ended(execution);
    assert.equal(status, 'Succeed', await node.log(execution));
    assert.deepEqual(await node.tags(`mirror/${APPS[2]}`), ['v1']);
  });

  it('asks for each page once', async () => {
    await using world = await openWorld();
    const { source, node } = world;

    const { id, status } = await node.run(1);

    assert.equal(status, 'Succeed', await node.log(id));
    assert.equal(source.count(CATALOGUE), PAGES);
    for (const name of APPS) assert.deepEqual(await node.tags(`mirror/${name}`), ['v1']);
  });

  it('leaves nothing out after a restart, and looks at nothing twice', async () => {
    await using world = await openWorld();
    const { source, node } = world;
    using last = held(source, behind(2 * PAGE - 1));
    const execution = await node.start(1);
    for (const name of APPS.slice(0, -1)) await untilCopied(node, name);
    await node[Symbol.asyncDispose]();
    // Where the list has to go on: what was there is gone.
    source.removeRepository(filler(2 * PAGE - 1));
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
    using last = held(source, behind(2 * PAGE - 1));
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
    assert.match(reasons.join(), /would both be mirror\/0000-app/);
    assert.deepEqual(await node.tags('mirror/0000-app'), []);
  });
});

interface World extends AsyncDisposable {
  readonly source: Upstream;
  readonly node: ReplicatingNode;
  /** Once the first one is gone. */
  startNode(): Promise<ReplicatingNode>;
}

/** A policy that copies three repositories of very many. */
async function openWorld(rules: Readonly<Record<string, unknown>> = {}): Promise<World> {
  await using opened = new AsyncDisposableStack();
  const directory = opened.use(await temporaryDirectory());
  const source = opened.use(await startUpstream({ pageSize: PAGE }));
  for (let index = 0; index < PAGES * PAGE - 1; index++) {
    if (index % PAGE === 0) source.addImage(app(index), 'v1', [Buffer.from(app(index))]);
    else source.addBlob(filler(index), Buffer.from('blob'));
  }
  const startNode = () =>
    startReplicatingNode(directory.path, 'node', {
      projects: { mirror: {} },
      endpoints: { source: endpointAt(source.url) },
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

function app(index: number): string {
  return `${filler(index)}-app`;
}

function filler(index: number): string {
  return `many/${String(index).padStart(4, '0')}`;
}
