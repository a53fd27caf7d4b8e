import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { digestOf } from '../../src/oci/digest.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { startUpstream } from '../support/upstream.ts';
import { endpointAt, type ReplicatingNode, startReplicatingNode } from './support/nodes.ts';

const MIB = 1 << 20;
const APP = 'library/app';
const BLOBS = { method: 'GET', path: /\/blobs\// } as const;

describe('what is small', () => {
  it('is copied in the task that found it missing', async () => {
    await using world = await openWorld(['local']);
    const { from, node } = world;
    from.addImage(APP, 'v1', [Buffer.alloc(2 * MIB, 1)]);

    const { id } = await node.run(1);

    assert.deepEqual(await kindsOf(node, id), ['expand', 'expand-repository', 'sync-ref']);
    assert.deepEqual(await node.tags(`copies/${APP}`), ['v1']);
  });

  it('is asked for no more often than it takes', async () => {
    await using world = await openWorld(['local']);
    const { from, node } = world;
    from.addImage(APP, 'v1', [Buffer.from('layer')]);

    await node.run(1);

    // Its tag before and after: nobody asks what it is before it is known that it is not here.
    assert.deepEqual(
      from.requests.map(({ method, path }) => `${method} ${path.split('/').at(-2)}`).toSorted(),
      [
        'GET blobs',
        'GET blobs',
        'GET manifests',
        'GET referrers',
        'GET tags',
        'HEAD manifests',
        'HEAD manifests',
      ],
    );
  });

  it('is pushed to another registry once, however many tags share it', async () => {
    await using world = await openWorld(['to']);
    const { from, to, node } = world;
    const shared = Buffer.alloc(MIB, 1);
    const tags = Array.from({ length: 20 }, (_, at) => `v${at}`);
    for (const tag of tags) from.addImage(APP, tag, [shared, Buffer.from(tag)]);

    const { status } = await node.run(1);

    assert.equal(status, 'Succeed');
    for (const tag of tags) assert.ok(to.tagged(`copies/${APP}`, tag), tag);
    const path = new RegExp(digestOf(shared).slice('sha256:'.length));
    assert.equal(from.count({ ...BLOBS, path }), 1);
    assert.equal(to.count({ method: 'PUT', path }), 1);
  });
});

describe('what is large', () => {
  it('has a task for each blob', async () => {
    await using world = await openWorld(['local']);
    const { from, node } = world;
    from.addImage(APP, 'v1', [Buffer.alloc(7 * MIB, 1)]);

    const { id } = await node.run(1);

    const kinds = ['expand', 'expand-repository', 'sync-ref', 'copy-blob', 'copy-blob'];
    assert.deepEqual(await kindsOf(node, id), [...kinds, 'put-manifests']);
  });
});

describe('what is very large', () => {
  for (const destination of ['local', 'to']) {
    it(`comes by ranges of it, and arrives as it is (${destination})`, async () => {
      await using world = await openWorld([destination]);
      const { from, to, node } = world;
      const { manifest } = from.addImage(APP, 'v1', [randomBytes(65 * MIB)]);

      const { status } = await node.run(1);

      assert.equal(status, 'Succeed');
      const ranges = from.seen(BLOBS).map(({ headers }) => headers.range);
      assert.ok(ranges.length > 2 && ranges.some((range) => range?.startsWith('bytes=0-')));
      const path = `/v2/copies/${APP}/manifests/v1`;
      const held =
        destination === 'to'
          ? to.tagged(`copies/${APP}`, 'v1')
          : (await node.send({ path })).headers['docker-content-digest'];
      assert.equal(held, manifest.digest);
    });
  }
});

describe('what is very large, and may only go slowly', () => {
  for (const destination of ['local', 'to']) {
    it(`comes by one transfer, which keeps to the rate best (${destination})`, async () => {
      await using world = await openWorld([destination], { bandwidth: '1GB/s' });
      const { from, node } = world;
      from.addImage(APP, 'v1', [randomBytes(65 * MIB)]);

      const { status } = await node.run(1);

      assert.equal(status, 'Succeed');
      assert.deepEqual(
        [...new Set(from.seen(BLOBS).map(({ headers }) => headers.range))],
        [undefined],
      );
    });
  }
});

describe('the blobs of one artifact', () => {
  it('go in turn: the largest, and beside it the small ones first', async () => {
    await using world = await openWorld(['local']);
    const { from, node } = world;
    const sizes = [3 * MIB, MIB, 8 * MIB, 2 * MIB];
    from.addImage(
      APP,
      'v1',
      sizes.map((size, at) => Buffer.alloc(size, at)),
    );

    const { id } = await node.run(1);

    const blobs = (await tasksOf(node, id)).filter(({ kind }) => kind === 'copy-blob');
    // Its config counts for what a task costs at least.
    assert.deepEqual(
      blobs.map(({ cost }) => cost),
      [8 * MIB, 2 ** 16, MIB, 2 * MIB, 3 * MIB],
    );
  });
});

describe('a registry that loses what it acknowledged', () => {
  it('gets no tag for it, and is told as broken', async () => {
    await using world = await openWorld(['to']);
    const { from, to, node } = world;
    const layer = Buffer.alloc(7 * MIB, 1);
    from.addImage(APP, 'v1', [layer]);
    const path = new RegExp(digestOf(layer).slice('sha256:'.length));
    using _ = to.behave({ method: 'HEAD', path }, { status: 404 });

    const id = await node.start(1);

    await node.untilLogged(id, /acknowledges sha256:\w+, and does not have it/);
    assert.equal(to.tagged(`copies/${APP}`, 'v1'), undefined);
    assert.ok(to.count({ method: 'PUT', path }) > 1, 'it was sent once more before');
  });

  it('is looked at again at once where it says so when it gets the manifest', async () => {
    await using world = await openWorld(['to']);
    const { from, to, node } = world;
    from.addImage(APP, 'v1', [Buffer.from('one')]);
    const body = JSON.stringify({ errors: [{ code: 'MANIFEST_BLOB_UNKNOWN', message: 'gone' }] });
    to.behave({ method: 'PUT', path: /manifests/, times: 1 }, { status: 400, body });

    const { status, id } = await node.run(1);

    assert.equal(status, 'Succeed');
    const copy = (await tasksOf(node, id)).find(({ kind }) => kind === 'sync-ref');
    assert.equal(copy?.attempts, 1, 'none of them failed');
  });
});

describe('many tags', () => {
  it('of which the destination has none are not asked for there one by one', async () => {
    await using world = await openWorld(['to']);
    const { from, to, node } = world;
    for (let tag = 0; tag < 40; tag++) from.addImage(APP, `v${tag}`, [Buffer.from(`${tag}`)]);

    const { status } = await node.run(1);

    assert.equal(status, 'Succeed');
    // Each once, before it is copied, and once when it is there.
    assert.equal(to.count({ method: 'HEAD', path: /manifests\/v/ }), 80);
  });
});

/** A policy from one registry to the others, below `copies`. */
async function openWorld(destinations: readonly string[], policy: object = {}) {
  await using opened = new AsyncDisposableStack();
  const directory = opened.use(await temporaryDirectory());
  const from = opened.use(await startUpstream());
  const to = opened.use(await startUpstream());
  const node = opened.use(
    await startReplicatingNode(directory.path, 'node', {
      projects: { copies: {} },
      endpoints: { from: endpointAt(from.url), to: endpointAt(to.url) },
      policies: {
        replication: {
          across: {
            source: 'from',
            destinations: destinations.map((endpoint) => ({ endpoint, namespace: 'copies' })),
            repositories: [APP],
            ...policy,
          },
        },
      },
    }),
  );
  const resources = opened.move();
  return { from, to, node, [Symbol.asyncDispose]: () => resources.disposeAsync() };
}

const Tasks = z.array(
  z.object({ id: z.int(), kind: z.string(), cost: z.int(), attempts: z.int() }),
);

/** In the order in which they were made, in which a queue does them. */
async function tasksOf(node: ReplicatingNode, execution: number): Promise<z.infer<typeof Tasks>> {
  const path = `/api/portolan/v1/replication/executions/${execution}/tasks`;
  const tasks = Tasks.parse((await node.send({ path })).json());
  return tasks.toSorted((one, other) => one.id - other.id);
}

async function kindsOf(node: ReplicatingNode, execution: number): Promise<readonly string[]> {
  return (await tasksOf(node, execution)).map(({ kind }) => kind);
}
