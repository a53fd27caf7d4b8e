import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { startUpstream, type Upstream } from '../support/upstream.ts';
import { endpointAt, type ReplicatingNode, startReplicatingNode } from './support/nodes.ts';

const OWN = '/api/portolan/v1/replication';
const APP = 'library/app';
const COPIED = 'copies/library/app';

const Findings = z.array(
  z.object({
    action: z.string(),
    repository: z.string().optional(),
    tag: z.string().optional(),
    destination: z.object({ endpoint: z.string(), repository: z.string() }).optional(),
    bytes: z.int().optional(),
    blobs: z.int().optional(),
    why: z.string().optional(),
  }),
);
type Finding = z.infer<typeof Findings>[number];

const FindingTotal = z.object({
  copy: z.int(),
  skip: z.int(),
  delete: z.int(),
  fail: z.int(),
  bytes: z.int(),
  blobs: z.int(),
});

describe('a dry run', () => {
  it('says what would be copied, skipped and deleted, and changes nothing at either end', async () => {
    await using world = await openWorld({ maxSize: '1MiB', prune: { atMost: 5 } });
    const { upstream, node } = world;
    const shared = Buffer.from('shared by both');
    upstream.addImage(APP, 'same', [Buffer.from('old')]);
    upstream.addImage(APP, 'gone', [Buffer.from('older')]);
    await node.run(1);
    upstream.remove(APP, 'gone');
    upstream.addImage(APP, 'v1', [shared, Buffer.from('one')]);
    upstream.addImage(APP, 'v2', [shared, Buffer.from('two')]);
    upstream.addImage(APP, 'large', [Buffer.alloc(2 ** 21)]);
    const before = { requests: upstream.requests.length, tags: await node.tags(COPIED) };

    const { findings, total } = await dryRun(node, 1);

    const of = (tag: string) => findings.find((each) => each.tag === tag);
    const place = { endpoint: 'local', repository: COPIED };
    assert.deepEqual(
      findings.map(({ action, tag }) => `${action} ${tag}`).toSorted(),
      [
        'copy v1',
        'copy v2',
        'delete gone',
        'look undefined',
        'look undefined',
        'look undefined',
        'look undefined',
        'skip large',
      ].toSorted(),
    );
    assert.deepEqual(of('v1')?.destination, place);
    assert.match(of('large')?.why ?? '', /^of \d+ bytes$/);
    assert.match(whyAt(findings, APP), /^4 tags selected, 3 differ$/);
    const [one, two] = [of('v1'), of('v2')];
    // Two layers and a config each; the layer that they share counts once.
    assert.equal((one?.blobs ?? 0) + (two?.blobs ?? 0), 5);
    assert.equal(total.bytes, (one?.bytes ?? 0) + (two?.bytes ?? 0));
    assert.deepEqual(
      [total.copy, total.skip, total.delete, total.fail, total.blobs],
      [2, 1, 1, 0, 5],
    );
    assert.deepEqual(await node.tags(COPIED), before.tags);
    const asked = upstream.requests.slice(before.requests);
    assert.ok(asked.every(({ method, path }) => method !== 'GET' || !path.includes('/blobs/')));
    assert.equal((await node.send({ path: `/v2/${COPIED}/manifests/v1` })).status, 404);
  });

  it('writes nothing to a registry either, and moves as many bytes as it said', async () => {
    await using directory = await temporaryDirectory();
    await using from = await startUpstream();
    await using to = await startUpstream();
    from.addImage(APP, 'v1', [Buffer.from('some'), Buffer.from('layers')]);
    const rules = { source: 'from', destinations: [{ endpoint: 'to' }], repositories: [APP] };
    await using node = await startReplicatingNode(directory.path, 'node', {
      endpoints: { from: endpointAt(from.url), to: endpointAt(to.url) },
      policies: { replication: { onward: rules } },
    });

    const { total } = await dryRun(node, 1);

    assert.ok(to.requests.every(({ method }) => method === 'GET' || method === 'HEAD'));
    const { id } = await node.run(1);
    const moved = z
      .object({ bytes: z.int() })
      .parse((await node.send({ path: `${OWN}/executions/${id}` })).json());
    assert.equal(moved.bytes, total.bytes);
    assert.equal((await node.send({ path: `${OWN}/executions/${id}/dry-run` })).status, 412);
  });

  it('fails where the run would: in a project that there is not', async () => {
    await using world = await openWorld({ destinations: [{ endpoint: 'local' }] });
    world.upstream.addImage(APP, 'v1', [Buffer.from('x')]);

    const { findings, total } = await dryRun(world.node, 1);

    assert.match(findings.find(({ tag }) => tag === 'v1')?.why ?? '', /no project/);
    assert.deepEqual([total.copy, total.fail], [0, 1]);
  });

  it('tells of another policy that may copy something else to the same name', async () => {
    await using world = await openWorld({}, 'library/*');
    world.upstream.addImage(APP, 'v1', [Buffer.from('x')]);

    const { findings } = await dryRun(world.node, 1);

    assert.match(whyAt(findings, APP), /what rival copies may have the same name there/);
  });

  it('is not of a policy that there is not', async () => {
    await using world = await openWorld({});

    const answer = await world.node.send({ method: 'POST', path: `${OWN}/policies/99/dry-run` });

    assert.equal(answer.status, 404);
    assert.equal((await world.node.send({ path: `${OWN}/executions/99/dry-run` })).status, 404);
  });
});

interface World extends AsyncDisposable {
  readonly upstream: Upstream;
  readonly node: ReplicatingNode;
}

/** A policy of the upstream's `library/app` into `copies`, and perhaps a rival that copies from elsewhere. */
async function openWorld(rules: object, rival?: string): Promise<World> {
  await using opened = new AsyncDisposableStack();
  const directory = opened.use(await temporaryDirectory());
  const upstream = opened.use(await startUpstream());
  const destinations = [{ endpoint: 'local', namespace: 'copies' }];
  const policy = { source: 'up', destinations, repositories: [APP], ...rules };
  const other = { source: 'other', destinations, repositories: [rival] };
  const node = opened.use(
    await startReplicatingNode(directory.path, 'node', {
      projects: { copies: {} },
      endpoints: { up: endpointAt(upstream.url), other: endpointAt('http://127.0.0.1:9') },
      policies: { replication: { policy, ...(rival === undefined ? {} : { rival: other }) } },
    }),
  );
  const resources = opened.move();
  return { upstream, node, [Symbol.asyncDispose]: () => resources.disposeAsync() };
}

async function dryRun(node: ReplicatingNode, policy: number) {
  const path = `${OWN}/policies/${policy}/dry-run`;
  const started = await node.send({ method: 'POST', path });
  assert.equal(started.status, 201, started.body.toString());
  const execution = String(started.headers.location);
  await node.ended(Number(execution.split('/').at(-1)));
  const listed = await node.send({ path: `${execution}/dry-run?page_size=100` });
  const summed = await node.send({ path: `${execution}/dry-run/total` });
  const findings = Findings.parse(listed.json());
  assert.equal(listed.headers['x-total-count'], String(findings.length));
  const total = FindingTotal.parse(summed.json());
  return { findings, total };
}

function whyAt(findings: readonly Finding[], repository: string): string {
  const looked = findings.find((each) => each.repository === repository && each.tag === undefined);
  return looked?.why ?? '';
}
