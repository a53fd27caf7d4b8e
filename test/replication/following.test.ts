import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { startUpstream } from '../support/upstream.ts';
import { endpointAt, type ReplicatingNode, startReplicatingNode } from './support/nodes.ts';

const OWN = '/api/portolan/v1/replication';

const Told = z.object({ id: z.int(), status: z.string(), moving: z.int().optional() });
const EndedTask = z.object({ id: z.int(), kind: z.string(), state: z.string() });
const Line = z.object({ task: z.int(), at: z.iso.datetime(), line: z.string() });
const Tasks = z.array(EndedTask);

describe('who follows an execution', () => {
  it('is told how far it is, what ends and what is logged, and then that it is over', async () => {
    await using world = await copyingWorld();
    const { node } = world;
    const id = await node.start(1);

    const events = await follow(node, id, '0.0.0');

    const names = events.map(({ event }) => event);
    assert.equal(names.at(-1), 'ended');
    assert.equal(names.filter((name) => name === 'ended').length, 1);
    assert.ok(names.includes('progress') && names.includes('log'), names.join());
    const last = Told.parse(events.at(-1)?.data);
    assert.deepEqual([last.id, last.status], [id, 'failed']);
    const ended = events.filter(({ event }) => event === 'task');
    assert.deepEqual(
      sorted(ended.map(({ data }) => EndedTask.parse(data))),
      sorted(await tasksOf(node, id)),
    );
  });

  it('comes back and is told the rest, without what was told already', async () => {
    await using world = await copyingWorld();
    const { node } = world;
    const { id } = await node.run(1);
    const all = (await follow(node, id, '0.0.0')).filter(isLasting);
    const middle = Math.floor(all.length / 2);

    const rest = (await follow(node, id, all[middle]?.id)).filter(isLasting);

    assert.ok(rest.length > 1);
    assert.deepEqual(rest, all.slice(middle + 1));
  });

  it('is told that it is over, where it was before', async () => {
    await using world = await copyingWorld();
    const { node } = world;
    const { id } = await node.run(1);

    const events = await follow(node, id);

    assert.deepEqual(
      events.map(({ event }) => event),
      ['progress', 'ended'],
    );
  });

  it('can only come back from an event, and to an execution that there is', async () => {
    await using world = await copyingWorld();
    const { node } = world;
    const { id } = await node.run(1);
    const path = `${OWN}/executions/${id}/events`;

    const wrong = await node.send({ path, headers: { 'Last-Event-ID': 'x' } });
    const missing = await node.send({ path: `${OWN}/executions/99/events` });

    assert.deepEqual([wrong.status, missing.status], [400, 404]);
  });
});

describe('the log of a task', () => {
  it('is text, each line with its time, and of its execution alone', async () => {
    await using world = await copyingWorld();
    const { node } = world;
    const { id } = await node.run(1);
    const { id: other } = await node.run(1);
    const failed = (await tasksOf(node, id)).find(({ state }) => state === 'failed');
    const logOf = (execution: number) =>
      node.send({ path: `${OWN}/executions/${execution}/tasks/${failed?.id}/log` });

    const answer = await logOf(id);

    assert.match(answer.headers['content-type'] ?? '', /^text\/plain/);
    assert.match(answer.body.toString(), /^\d{4}-\d\d-\d\dT\S+Z attempt 1: .*BLOB_UNKNOWN.*\n$/m);
    assert.equal((await logOf(other)).status, 404);
  });
});

/** A node and a policy whose second image lacks a layer. */
async function copyingWorld() {
  await using opened = new AsyncDisposableStack();
  const directory = opened.use(await temporaryDirectory());
  const upstream = opened.use(await startUpstream());
  upstream.addImage('library/app', 'v1', [Buffer.from('layer')]);
  const { layers } = upstream.addImage('library/broken', 'v1', [Buffer.from('lost')]);
  upstream.remove('library/broken', layers[0]?.digest ?? '');
  const node = opened.use(
    await startReplicatingNode(directory.path, 'node', {
      projects: { copies: {} },
      endpoints: { up: endpointAt(upstream.url) },
      policies: {
        replication: {
          copy: {
            source: 'up',
            destinations: [{ endpoint: 'local', namespace: 'copies' }],
            repositories: ['library/app', 'library/broken'],
          },
        },
      },
    }),
  );
  const resources = opened.move();
  return { node, [Symbol.asyncDispose]: () => resources.disposeAsync() };
}

interface Event {
  readonly id: string;
  readonly event: string;
  readonly data: unknown;
}

/** All events until the stream ends. */
async function follow(
  node: ReplicatingNode,
  execution: number,
  after?: string,
): Promise<readonly Event[]> {
  const answer = await node.send({
    path: `${OWN}/executions/${execution}/events`,
    headers: after === undefined ? {} : { 'Last-Event-ID': after },
  });
  assert.equal(answer.status, 200, answer.body.toString());
  const texts = answer.body.toString().split('\n\n').slice(0, -1);
  return texts.filter((text) => text !== ':').map(eventIn);
}

function eventIn(text: string): Event {
  const [, id = '', event = '', data = ''] =
    /^id: (\S+)\nevent: (\w+)\ndata: (.*)$/.exec(text) ?? [];
  return { id, event, data: JSON.parse(data) };
}

/** What is told once; of how far it is there is whatever a look found. */
function isLasting({ event, data }: Event): boolean {
  if (event === 'log') Line.parse(data);
  return event !== 'progress';
}

async function tasksOf(node: ReplicatingNode, execution: number) {
  const path = `${OWN}/executions/${execution}/tasks?page_size=100`;
  return Tasks.parse((await node.send({ path })).json());
}

function sorted(tasks: z.infer<typeof Tasks>): z.infer<typeof Tasks> {
  return tasks.toSorted((left, right) => left.id - right.id);
}
