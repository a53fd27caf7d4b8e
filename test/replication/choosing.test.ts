import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { OCI_MANIFEST } from '../../src/oci/media-type.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { startUpstream, type Upstream } from '../support/upstream.ts';
import { endpointAt, type ReplicatingNode, startReplicatingNode } from './support/nodes.ts';

const APP = 'library/app';
const COPIED = 'mirror/library/app';

/** As Harbor’s clients see them. */
const Tasks = z.array(
  z.object({ operation: z.string(), src_resource: z.string(), dst_resource: z.string() }),
);

describe('a policy that prunes what it selects', () => {
  it('copies the newest versions, and of what is no version all', async () => {
    await using world = await openWorld({ keep: { newest: 2, by: 'semver' } });
    for (const tag of ['v1.2.0', 'v1.10.0', 'v1.9.1', 'latest']) add(world.upstream, tag);

    await world.node.run(1);

    assert.deepEqual(await world.node.tags(COPIED), ['latest', 'v1.10.0', 'v1.9.1']);
  });

  it('asks images for their age where the registry does not say', async () => {
    await using world = await openWorld({ keep: { newest: 1, by: 'created' } });
    addBuilt(world.upstream, 'a', '2024-05-01T00:00:00Z');
    addBuilt(world.upstream, 'b', '2026-05-01T00:00:00Z');
    addBuilt(world.upstream, 'c', '2025-05-01T00:00:00Z');

    const execution = await world.node.run(1);

    assert.equal(execution.status, 'Succeed', await world.node.log(execution.id));
    assert.deepEqual(await world.node.tags(COPIED), ['b']);
  });

  it('brings the tags that sign what is copied, and no others', async () => {
    await using world = await openWorld({ tags: ['v1'] });
    const first = add(world.upstream, 'v1');
    const second = add(world.upstream, 'v2');
    for (const { digest } of [first, second]) {
      world.upstream.addImage(APP, `${digest.replace(':', '-')}.sig`, [Buffer.from(digest)]);
    }

    await world.node.run(1);

    const signature = `${first.digest.replace(':', '-')}.sig`;
    assert.deepEqual(await world.node.tags(COPIED), [signature, 'v1']);
  });

  it('leaves out what is too large, of another type, or not signed, and says so', async () => {
    const cases = [
      [{ maxSize: '1KiB' }, /skipped: of \d+ bytes/],
      [{ mediaTypes: ['application/vnd.example'] }, /skipped: media type/],
      [{ signedOnly: true }, /skipped: not signed/],
      [{ labels: ['released'] }, undefined],
    ] as const;
    for (const [rules, why] of cases) {
      await using world = await openWorld(rules);
      world.upstream.addImage(APP, 'v1', [Buffer.alloc(2_000, 1)]);

      const execution = await world.node.run(1);

      assert.equal(execution.status, 'Succeed');
      assert.deepEqual(await world.node.tags(COPIED), []);
      if (why !== undefined) assert.match(await world.node.log(execution.id), why);
    }
  });

  it('copies what is of an artifact type that it selects, and says of what type the others are', async () => {
    const IMAGE = 'application/vnd.oci.image.config.v1+json';
    const CHART = 'application/vnd.cncf.helm.config.v1+json';
    const cases = [
      [['application/vnd.example*'], ['tool'], [IMAGE, CHART]],
      [{ exclude: [IMAGE] }, ['chart', 'tool'], [IMAGE]],
    ] as const;
    for (const [artifactTypes, tags, skipped] of cases) {
      await using world = await openWorld({ artifactTypes });
      add(world.upstream, 'image');
      const layer = world.upstream.addBlob(APP, Buffer.from('layer'));
      const empty = world.upstream.addBlob(
        APP,
        Buffer.from('{}'),
        'application/vnd.oci.empty.v1+json',
      );
      const chart = world.upstream.addBlob(APP, Buffer.from('{ }'), CHART);
      const manifest = { schemaVersion: 2, mediaType: OCI_MANIFEST, layers: [layer] };
      const tool = { ...manifest, artifactType: 'application/vnd.example.tool', config: empty };
      world.upstream.addManifest(APP, tool, { tag: 'tool' });
      world.upstream.addManifest(APP, { ...manifest, config: chart }, { tag: 'chart' });

      const execution = await world.node.run(1);

      const log = await world.node.log(execution.id);
      assert.equal(execution.status, 'Succeed', log);
      assert.deepEqual(await world.node.tags(COPIED), tags);
      const told = [...log.matchAll(/skipped: artifact type (\S+)/g)].map(([, type]) => type);
      assert.deepEqual(new Set(told), new Set(skipped), log);
    }
  });

  it('copies what is signed where only that is wanted', async () => {
    await using world = await openWorld({ signedOnly: true });
    const subject = add(world.upstream, 'v1');
    const empty = world.upstream.addBlob(
      APP,
      Buffer.from('{}'),
      'application/vnd.oci.empty.v1+json',
    );
    world.upstream.addManifest(APP, {
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      artifactType: 'application/vnd.cncf.notary.signature',
      config: empty,
      layers: [empty],
      subject,
    });
    add(world.upstream, 'v2');

    await world.node.run(1);

    assert.deepEqual(await world.node.tags(COPIED), ['v1']);
  });
});

describe('a policy that mirrors', () => {
  it('deletes what the source has no more, as far as it may', async () => {
    await using world = await openWorld({ prune: { atMost: 1 } });
    for (const tag of ['v1', 'v2', 'v3']) add(world.upstream, tag);
    await world.node.run(1);
    world.upstream.remove(APP, 'v2');

    const execution = await world.node.run(1);

    assert.equal(execution.status, 'Succeed', await world.node.log(execution.id));
    assert.deepEqual(await world.node.tags(COPIED), ['v1', 'v3']);
    const path = `/api/v2.0/replication/executions/${execution.id}/tasks`;
    const [task, ...more] = Tasks.parse((await world.node.send({ path })).json());
    assert.deepEqual(more, []);
    assert.deepEqual(task, { operation: 'deletion', src_resource: APP, dst_resource: COPIED });
  });

  it('deletes nothing at all where it would be more than that, and fails', async () => {
    await using world = await openWorld({ prune: { atMost: 1 } });
    for (const tag of ['v1', 'v2', 'v3']) add(world.upstream, tag);
    await world.node.run(1);
    world.upstream.remove(APP, 'v2');
    world.upstream.remove(APP, 'v3');

    const execution = await world.node.run(1);

    assert.equal(execution.status, 'Failed');
    assert.match(await world.node.log(execution.id), /2 of 3 tags would be deleted, and 1 may be/);
    assert.deepEqual(await world.node.tags(COPIED), ['v1', 'v2', 'v3']);
  });

  for (const prune of [{ atMost: 2 }, {}]) {
    it(`counts what all repositories would lose in one run, with ${JSON.stringify(prune)}`, async () => {
      await using world = await openWorld({ repositories: ['library/*'], prune });
      const repositories = ['library/a', 'library/b', 'library/c'];
      for (const repository of repositories) {
        for (const tag of ['v1', 'v2']) addTo(world.upstream, repository, tag);
      }
      await world.node.run(1);
      for (const repository of repositories) world.upstream.remove(repository, 'v2');

      const execution = await world.node.run(1);

      assert.equal(execution.status, 'Failed');
      for (const repository of repositories) {
        assert.deepEqual(await world.node.tags(`mirror/${repository}`), ['v1', 'v2']);
        assert.match(await world.node.log(execution.id), /3 of 6 tags would be deleted/);
      }
    });
  }

  it('deletes nothing before every repository could be looked at, and copies the rest', async () => {
    await using world = await openWorld({ repositories: ['library/a', 'library/b'], prune: {} });
    for (const tag of ['v1', 'v2']) addTo(world.upstream, 'library/a', tag);
    addTo(world.upstream, 'library/b', 'v1');
    await world.node.run(1);
    world.upstream.remove('library/a', 'v2');
    addTo(world.upstream, 'library/a', 'v3');
    const forbidden = world.upstream.behave({ path: /library\/b\/tags/ }, { status: 403 });

    const execution = await world.node.run(1);

    assert.equal(execution.status, 'Failed');
    assert.deepEqual(await world.node.tags('mirror/library/a'), ['v1', 'v2', 'v3']);

    forbidden[Symbol.dispose]();
    const path = `/api/portolan/v1/replication/executions/${execution.id}/retry`;
    await world.node.send({ method: 'POST', path });

    assert.equal((await world.node.ended(execution.id)).status, 'Succeed');
    assert.deepEqual(await world.node.tags('mirror/library/a'), ['v1', 'v3']);
  });

  it('loses what its own rules do not keep any more', async () => {
    await using world = await openWorld({
      keep: { newest: 1, by: 'semver' },
      prune: { atMost: 1 },
    });
    add(world.upstream, 'v1.0.0');
    await world.node.run(1);
    add(world.upstream, 'v1.1.0');

    const execution = await world.node.run(1);

    assert.equal(execution.status, 'Succeed', await world.node.log(execution.id));
    assert.deepEqual(await world.node.tags(COPIED), ['v1.1.0']);
  });
});

interface World extends AsyncDisposable {
  readonly upstream: Upstream;
  readonly node: ReplicatingNode;
}

async function openWorld(rules: Readonly<Record<string, unknown>>): Promise<World> {
  await using opened = new AsyncDisposableStack();
  const directory = opened.use(await temporaryDirectory());
  const upstream = opened.use(await startUpstream());
  const node = opened.use(
    await startReplicatingNode(directory.path, 'node', {
      projects: { mirror: {} },
      endpoints: { upstream: endpointAt(upstream.url) },
      policies: {
        replication: {
          nightly: {
            source: 'upstream',
            destinations: [{ endpoint: 'local', namespace: 'mirror' }],
            repositories: [APP],
            ...rules,
          },
        },
      },
    }),
  );
  const resources = opened.move();
  return { upstream, node, [Symbol.asyncDispose]: () => resources.disposeAsync() };
}

function add(upstream: Upstream, tag: string) {
  return addTo(upstream, APP, tag);
}

function addTo(upstream: Upstream, repository: string, tag: string) {
  return upstream.addImage(repository, tag, [Buffer.from(tag)]).manifest;
}

function addBuilt(upstream: Upstream, tag: string, created: string): void {
  const type = 'application/vnd.oci.image.config.v1+json';
  const config = upstream.addBlob(APP, Buffer.from(JSON.stringify({ created })), type);
  const body = { schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers: [] };
  upstream.addManifest(APP, body, { tag });
}
