import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { digestOf } from '../../src/oci/digest.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { startUpstream, type Upstream } from '../support/upstream.ts';
import { endpointAt, startReplicatingNode } from './support/nodes.ts';

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
        const credential = { username: 'admin', password: 'password-of-the-admin' };
        await using node = await startReplicatingNode(path, repository.replace('/', '-'), {
          endpoints: {
            from: endpointAt(from.url),
            far: endpointAt(far.url, { adapter: 'harbor', credential }),
          },
          policies: {
            replication: {
              all: {
                source: 'from',
                destinations: [{ endpoint: 'far' }],
                repositories: [repository],
              },
            },
          },
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

const BLOB = new RegExp(digestOf(LAYER).slice('sha256:'.length));

/** Times that its bytes went there. */
const sent = (to: Upstream): number => to.count({ method: 'PUT', path: BLOB });

const mountsAsked = (to: Upstream): number =>
  to.count({ method: 'POST', path: new RegExp(`mount=.*${BLOB.source}`) });

/** A policy from one registry to another one, with repositories that all have the layer, and one from yet another one. */
async function openWorld(repositories: readonly string[]) {
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
        to: endpointAt(to.url),
      },
      policies: {
        replication: {
          across: { source: 'from', destinations, repositories },
          beside: { source: 'other', destinations, repositories: ['library/beside'] },
        },
      },
    }),
  );
  const resources = opened.move();
  return { from, other, to, node, [Symbol.asyncDispose]: () => resources.disposeAsync() };
}
