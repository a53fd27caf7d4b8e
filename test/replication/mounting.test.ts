import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { digestOf } from '../../src/oci/digest.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { until } from '../support/until.ts';
import { json, startUpstream, type Upstream } from '../support/upstream.ts';
import { ADMINS, endpointAt, type ReplicatingNode, startReplicatingNode } from './support/nodes.ts';

const LAYER = randomBytes(7 * 2 ** 20);
const APPS = ['library/one', 'library/two', 'library/three'];

describe('repositories that share a layer', () => {
  it('have it sent once to a project of another registry, and mounted', async () => {
    await using world = await openWorld(APPS);
    const { to, node } = world;

    const { status } = await node.run(1);

    assert.equal(status, 'Succeed');
    for (const name of APPS) assert.ok(to.blobIn(name, digestOf(LAYER)), name);
    assert.deepEqual([sent(to), mountsAsked(to)], [1, 2]);
  });

  it('have it mounted by runs that come later, too', async () => {
    await using world = await openWorld([...APPS, 'library/four']);
    const { from, to, node } = world;
    from.remove('library/four', 'v1');
    await node.run(1);
    from.addImage('library/four', 'v1', [LAYER]);

    const { status } = await node.run(1);

    assert.equal(status, 'Succeed');
    assert.ok(to.blobIn('library/four', digestOf(LAYER)));
    assert.deepEqual([sent(to), mountsAsked(to)], [1, 3]);
  });

  for (const status of [405, 500]) {
    it(`get it each where the registry answers ${status} to mounts`, async () => {
      await using world = await openWorld(APPS);
      const { to, node } = world;
      to.behave({ method: 'POST', path: /mount=/ }, { status });

      const execution = await node.run(1);

      assert.equal(execution.status, 'Succeed');
      assert.equal(sent(to), 3);
    });
  }

  it('are given none that their own repository lacks, whatever its manifest names', async () => {
    await using world = await openWorld(['library/one', 'library/two']);
    const { from, to, node } = world;
    from.remove('library/two', digestOf(LAYER));

    const { status } = await node.run(1);

    assert.equal(status, 'Failed');
    assert.ok(to.blobIn('library/one', digestOf(LAYER)));
    assert.equal(to.blobIn('library/two', digestOf(LAYER)), undefined);
    assert.equal(mountsAsked(to), 0);
  });

  it('are given none of another project, whose members alone may see it', async () => {
    const names = ['one/app', 'two/app'];
    await using world = await openWorld(names);
    const { to, node } = world;

    const { status } = await node.run(1);

    assert.equal(status, 'Succeed');
    assert.deepEqual([sent(to), mountsAsked(to)], [2, 0]);
  });

  it('are given none that came from another source, which alone is known to have it', async () => {
    await using world = await openWorld(['library/one']);
    const { other, to, node } = world;
    other.addImage('library/beside', 'v1', [LAYER]);
    await node.run(1);

    const { status } = await node.run(2);

    assert.equal(status, 'Succeed');
    assert.deepEqual([sent(to), mountsAsked(to)], [2, 0]);
  });
});

describe('a Harbor that answers 500 to where a blob is', () => {
  it('is asked once for each blob, and gets all of them', async () => {
    const repositories = Array.from({ length: 6 }, (_, index) => `library/app${index}`);
    await using world = await openWorld(repositories, { adapter: 'harbor' });
    const { from, to, node } = world;
    // Layers of their own: of one that is shared somebody here knows where it is.
    for (const name of repositories) from.addImage(name, 'v1', [randomBytes(1.2 * 2 ** 20)]);
    to.behave({ path: /^\/api\// }, { status: 200, body: '[]' });
    to.behave({ path: /blob_digest/ }, { status: 500 });

    const { id, status } = await node.run(1);

    assert.equal(status, 'Succeed', await node.log(id));
    assert.equal(to.count({ path: /blob_digest/ }), repositories.length);
    for (const name of repositories) assert.ok(to.tagged(name, 'v1'), name);
  });
});

describe('another Portolan that has a layer already', () => {
  const rows = [
    { name: 'mounts it in the same project', before: ['a/base', 'team/base'], way: 'mounted' },
    { name: 'gets it for another project', before: ['a/base'], way: 'copied' },
  ];
  for (const { name, before, way } of rows) {
    it(name, async () => {
      await using directory = await temporaryDirectory();
      const { path } = directory;
      const projects = { a: {}, team: {} };
      await using far = await startReplicatingNode(path, 'far', { projects });
      await using from = await startUpstream();
      const copied = async (repository: string): Promise<string> => {
        from.addImage(repository, 'v1', [LAYER]);
        const destinations = [{ endpoint: 'far' }];
        const all = { source: 'from', destinations, repositories: [repository] };
        await using node = await startReplicatingNode(path, repository.replace('/', '-'), {
          endpoints: {
            from: endpointAt(from.url),
            far: endpointAt(far.url, { adapter: 'harbor', ...ADMINS }),
          },
          policies: { replication: { all } },
        });
        const { id, status } = await node.run(1);
        assert.equal(status, 'Succeed', await node.log(id));
        return await node.log(id);
      };
      for (const each of before) await copied(each);

      const log = await copied('team/app');

      assert.match(
        log,
        new RegExp(`copy-blob team/app ${digestOf(LAYER)}: succeeded, ${way}$`, 'm'),
      );
    });
  }
});

describe('a project whose registry refused three mounts', () => {
  const rows = [
    {
      name: 'is neither asked for mounts nor where layers are',
      repositories: [...APPS, 'library/four'],
      refusing: 'to',
      policy: 1,
      copy: 'library/one',
    },
    {
      name: 'is not asked for mounts from where it is copied, either',
      repositories: APPS,
      refusing: 'from',
      policy: 3,
      copy: 'copies/library/one',
    },
  ] as const;
  for (const { name, repositories, refusing, policy, copy } of rows) {
    it(name, async () => {
      await using world = await openWorld(repositories, { adapter: 'harbor' });
      const { from, node, [refusing]: registry } = world;
      registry.uploads.rules = { mounts: false };
      tellsOf(registry, 'library/base');
      await node.run(policy);
      const asked = registry.count(ASKED);
      from.addImage('library/one', 'v2', [randomBytes(2 * 2 ** 20)]);

      const { id, status } = await node.run(policy);

      assert.equal(status, 'Succeed', await node.log(id));
      assert.ok(registry.tagged(copy, 'v2'));
      assert.ok(asked > 0);
      assert.equal(registry.count(ASKED), asked);
    });
  }
});

describe('repositories that wait for a layer that goes to another one', () => {
  it('leave the registry to other policies, and mount it when it is there', async () => {
    const names = Array.from({ length: 40 }, (_, index) => `library/app${index}`);
    await using world = await openWorld(names);
    const { other, to, node } = world;
    other.addImage('library/beside', 'v1', [Buffer.from('beside')]);
    const { promise: goes, resolve: go } = Promise.withResolvers<void>();
    to.behave({ method: 'PUT', path: BLOB, times: 1 }, { hold: goes });
    const waiting = await node.start(1);
    // As many as the registry gets at once.
    await until(async () => (await begun(node, waiting)) >= 32, { withinMs: 20_000 });

    const beside = await node.run(2);

    assert.equal(beside.status, 'Succeed');
    assert.deepEqual([sent(to), mountsAsked(to)], [1, 0]);
    go();
    const { status } = await node.ended(waiting);
    assert.equal(status, 'Succeed', await node.log(waiting));
    assert.deepEqual([sent(to), mountsAsked(to)], [1, 39]);
  });
});

describe('a registry that acknowledges mounts, and does nothing', () => {
  it('is sent the bytes instead', async () => {
    await using world = await openWorld([...APPS, 'library/four']);
    const { to, node } = world;
    to.behave({ method: 'POST', path: /mount=/ }, { status: 201 });

    const { id, status } = await node.run(1);

    assert.equal(status, 'Succeed', await node.log(id));
    for (const name of [...APPS, 'library/four']) assert.ok(to.blobIn(name, digestOf(LAYER)), name);
    assert.deepEqual([sent(to), mountsAsked(to)], [4, 3]);
  });
});

describe('a Harbor that is asked where a layer is', () => {
  it('is not believed where it names a repository of another project', async () => {
    await using world = await openWorld(['library/one'], { adapter: 'harbor' });
    const { to, node } = world;
    tellsOf(to, 'other/base');
    to.addBlob('other/base', LAYER);

    const { id, status } = await node.run(1);

    assert.equal(status, 'Succeed', await node.log(id));
    assert.deepEqual([sent(to), mountsAsked(to)], [1, 0]);
  });
});

/** Has what policies ask a Harbor for, and names that repository for every blob. */
function tellsOf(to: Upstream, repository: string): void {
  to.serveApi(/^\/api\//, ({ url }) => {
    const isWhere = url.searchParams.get('q')?.startsWith('blob_digest=') === true;
    return json(isWhere ? [{ name: repository }] : []);
  });
}

const BLOB = new RegExp(digestOf(LAYER).slice('sha256:'.length));

/** Times that its bytes went there. */
const sent = (to: Upstream): number => to.count({ method: 'PUT', path: BLOB });

/** Of an execution: the layers that are being copied, or were for a moment. */
async function begun(node: ReplicatingNode, execution: number): Promise<number> {
  const q = encodeURIComponent('kind=copy-blob,state={running delayed}');
  const path = `/api/portolan/v1/replication/executions/${execution}/tasks?q=${q}&page_size=100`;
  const { status, body } = await node.send({ path });
  assert.equal(status, 200, body.toString());
  const tasks = z.array(z.object({ cost: z.int() })).parse(JSON.parse(body.toString()));
  return tasks.filter(({ cost }) => cost === LAYER.length).length;
}

/** For mounts, and for what could be mounted. */
const ASKED = { path: /mount=|blob_digest/ };

const mountsAsked = (to: Upstream): number =>
  to.count({ method: 'POST', path: new RegExp(`mount=.*${BLOB.source}`) });

/** A policy from one registry to another one, with repositories that all have the layer, one from yet another one, and one within the first. */
async function openWorld(
  repositories: readonly string[],
  destination: Readonly<Record<string, unknown>> = {},
) {
  await using opened = new AsyncDisposableStack();
  const directory = opened.use(await temporaryDirectory());
  const from = opened.use(await startUpstream());
  const other = opened.use(await startUpstream());
  const to = opened.use(await startUpstream());
  const destinations = [{ endpoint: 'to' }];
  for (const name of repositories) from.addImage(name, 'v1', [LAYER, Buffer.from(name)]);
  const node = opened.use(
    await startReplicatingNode(directory.path, 'node', {
      endpoints: {
        from: endpointAt(from.url),
        other: endpointAt(other.url),
        to: endpointAt(to.url, destination),
      },
      policies: {
        replication: {
          across: { source: 'from', destinations, repositories },
          beside: { source: 'other', destinations, repositories: ['library/beside'] },
          within: {
            source: 'from',
            destinations: [{ endpoint: 'from', namespace: 'copies' }],
            repositories,
          },
        },
      },
    }),
  );
  const resources = opened.move();
  return { from, other, to, node, [Symbol.asyncDispose]: () => resources.disposeAsync() };
}
