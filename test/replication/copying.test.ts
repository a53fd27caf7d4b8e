import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { digestOf } from '../../src/oci/digest.ts';
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-type.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { startUpstream, type Upstream } from '../support/upstream.ts';
import { ADMINS, endpointAt, startReplicatingNode } from './support/nodes.ts';

const APP = 'library/app';
const COPIED = 'mirror/library/app';
const BLOBS = { method: 'GET', path: /\/blobs\// } as const;

describe('a policy from a registry to this node', () => {
  it('copies what it selects, byte for byte, and nothing else', async () => {
    await using directory = await temporaryDirectory();
    await using upstream = await startUpstream();
    const { index, signature } = addSignedIndex(upstream);
    upstream.addImage(APP, 'edge', [Buffer.from('edge')]);
    upstream.addImage('library/other', 'v1', [Buffer.from('other')]);
    await using node = await startReplicatingNode(directory.path, 'node', fromUpstream(upstream));

    const execution = await node.run(1);

    assert.equal(execution.status, 'Succeed', await node.log(execution.id));
    assert.equal(execution.total, 1);
    assert.deepEqual(await node.tags(COPIED), ['v1']);
    assert.deepEqual(await node.tags('mirror/library/other'), []);
    const copied = await node.send({ path: `/v2/${COPIED}/manifests/v1` });
    assert.equal(digestOf(copied.body), index.digest);
    const referrers = await node.send({ path: `/v2/${COPIED}/referrers/${index.digest}` });
    assert.match(referrers.body.toString(), new RegExp(signature.digest));
  });

  it('fetches nothing of what is there already', async () => {
    await using directory = await temporaryDirectory();
    await using upstream = await startUpstream();
    upstream.addImage(APP, 'v1', [Buffer.from('layer')]);
    await using node = await startReplicatingNode(directory.path, 'node', fromUpstream(upstream));
    await node.run(1);
    const before = upstream.requests.length;

    const execution = await node.run(1);

    assert.equal(execution.status, 'Succeed');
    const asked = upstream.requests.slice(before);
    assert.deepEqual(asked.map(({ method, path }) => `${method} ${path}`).toSorted(), [
      `GET /v2/${APP}/tags/list?n=1000`,
      `HEAD /v2/${APP}/manifests/v1`,
    ]);
  });

  it('fetches a blob that several tags share once', async () => {
    await using directory = await temporaryDirectory();
    await using upstream = await startUpstream();
    const shared = Buffer.from('shared');
    for (const tag of ['v1', 'v2', 'v3']) upstream.addImage(APP, tag, [shared, Buffer.from(tag)]);
    await using node = await startReplicatingNode(directory.path, 'node', fromUpstream(upstream));

    await node.run(1);

    assert.deepEqual(await node.tags(COPIED), ['v1', 'v2', 'v3']);
    const path = new RegExp(digestOf(shared));
    assert.equal(upstream.count({ method: 'GET', path }), 1);
  });

  it('brings back a layer that was lost here, though the tag is the same', async () => {
    await using directory = await temporaryDirectory();
    await using upstream = await startUpstream();
    const { layers } = upstream.addImage(APP, 'v1', [Buffer.from('layer')]);
    await using node = await startReplicatingNode(directory.path, 'node', fromUpstream(upstream));
    await node.run(1);
    const layer = `/v2/${COPIED}/blobs/${layers[0]?.digest}`;
    assert.equal((await node.send({ method: 'DELETE', path: layer })).status, 202);

    const execution = await node.run(1);

    assert.equal(execution.status, 'Succeed', await node.log(execution.id));
    assert.equal((await node.send({ path: layer })).body.toString(), 'layer');
  });

  it('fails for one broken artifact alone, and says why', async () => {
    await using directory = await temporaryDirectory();
    await using upstream = await startUpstream();
    const { layers } = upstream.addImage(APP, 'v1', [Buffer.from('broken')]);
    upstream.remove(APP, layers[0]?.digest ?? '');
    upstream.addImage('library/fine', 'v1', [Buffer.from('fine')]);
    const configuration = fromUpstream(upstream, { repositories: [APP, 'library/fine'] });
    await using node = await startReplicatingNode(directory.path, 'node', configuration);

    const execution = await node.run(1);

    assert.equal(execution.status, 'Failed');
    assert.deepEqual([execution.failed, execution.succeed], [1, 1]);
    assert.deepEqual(await node.tags(COPIED), []);
    assert.deepEqual(await node.tags('mirror/library/fine'), ['v1']);
    assert.match(
      await node.log(execution.id),
      /sync-ref .*failed, BLOB_UNKNOWN: blob sha256:[0-9a-f]{64} of library\/app$/m,
    );
  });

  it('leaves a tag that points elsewhere where override is off', async () => {
    await using directory = await temporaryDirectory();
    await using upstream = await startUpstream();
    const first = upstream.addImage(APP, 'v1', [Buffer.from('first')]);
    const configuration = fromUpstream(upstream, { override: false });
    await using node = await startReplicatingNode(directory.path, 'node', configuration);
    await node.run(1);
    upstream.addImage(APP, 'v1', [Buffer.from('second')]);

    const execution = await node.run(1);

    assert.equal(execution.status, 'Succeed');
    const kept = await node.send({ path: `/v2/${COPIED}/manifests/v1` });
    assert.equal(digestOf(kept.body), first.manifest.digest);
    assert.match(await node.log(execution.id), /override is off/);
  });

  it('copies only the platforms that it names, and leaves the index as it is', async () => {
    await using directory = await temporaryDirectory();
    await using upstream = await startUpstream();
    const { index, arm } = addSignedIndex(upstream);
    const configuration = fromUpstream(upstream, { platforms: ['linux/amd64'] });
    await using node = await startReplicatingNode(directory.path, 'node', configuration);

    const execution = await node.run(1);

    assert.equal(execution.status, 'Succeed', await node.log(execution.id));
    const copied = await node.send({ path: `/v2/${COPIED}/manifests/v1` });
    assert.equal(digestOf(copied.body), index.digest);
    const other = await node.send({ path: `/v2/${COPIED}/manifests/${arm.digest}` });
    assert.equal(other.status, 404);
    for (const { digest } of arm.layers) {
      assert.equal(upstream.count({ ...BLOBS, path: new RegExp(digest) }), 0);
    }
  });
});

describe('a policy from this node', () => {
  it('pushes to another one, and says nothing of what that has', async () => {
    await using directory = await temporaryDirectory();
    await using upstream = await startUpstream();
    const { index, signature } = addSignedIndex(upstream);
    await using other = await startReplicatingNode(directory.path, 'other', {
      projects: { team: {} },
    });
    const configuration = fromUpstream(
      upstream,
      {},
      {
        endpoints: { other: endpointAt(other.url, ADMINS) },
        policies: {
          onward: {
            source: 'local',
            destinations: [{ endpoint: 'other', namespace: 'team', flatten: 'all' }],
            repositories: ['mirror/**'],
          },
        },
      },
    );
    await using node = await startReplicatingNode(directory.path, 'node', configuration);
    await node.run(1);

    const execution = await node.run(2);

    assert.equal(execution.status, 'Succeed', await node.log(execution.id));
    assert.deepEqual(await other.tags('team/app'), ['v1']);
    const copied = await other.send({ path: '/v2/team/app/manifests/v1' });
    assert.equal(digestOf(copied.body), index.digest);
    const referrers = await other.send({ path: `/v2/team/app/referrers/${index.digest}` });
    assert.match(referrers.body.toString(), new RegExp(signature.digest));
    assert.equal((await node.run(2)).status, 'Succeed');
  });
});

describe('a policy between two other registries', () => {
  it('copies from one to the other, and keeps nothing here', async () => {
    await using directory = await temporaryDirectory();
    await using from = await startUpstream();
    await using to = await startUpstream();
    const { manifest, layers } = from.addImage(APP, 'v1', [Buffer.from('layer')]);
    await using node = await startReplicatingNode(directory.path, 'node', {
      endpoints: { from: endpointAt(from.url), to: endpointAt(to.url) },
      policies: {
        replication: {
          across: {
            source: 'from',
            destinations: [{ endpoint: 'to', namespace: 'copies' }],
            repositories: [APP],
          },
        },
      },
    });

    const execution = await node.run(1);

    assert.equal(execution.status, 'Succeed', await node.log(execution.id));
    assert.equal(to.tagged(`copies/${APP}`, 'v1'), manifest.digest);
    const [layer] = layers;
    assert.ok(layer);
    assert.equal(to.blobIn(`copies/${APP}`, layer.digest)?.toString(), 'layer');
    const catalog = await node.send({ path: '/v2/_catalog' });
    assert.deepEqual(catalog.json(), { repositories: [] });
  });

  it('mounts what the destination has in another repository', async () => {
    await using directory = await temporaryDirectory();
    await using registry = await startUpstream();
    const { manifest, layers } = registry.addImage(APP, 'v1', [Buffer.from('layer')]);
    await using node = await startReplicatingNode(directory.path, 'node', {
      endpoints: { registry: endpointAt(registry.url) },
      policies: {
        replication: {
          within: {
            source: 'registry',
            destinations: [{ endpoint: 'registry', namespace: 'copies' }],
            repositories: [APP],
          },
        },
      },
    });

    const execution = await node.run(1);

    assert.equal(execution.status, 'Succeed', await node.log(execution.id));
    assert.equal(registry.tagged(`copies/${APP}`, 'v1'), manifest.digest);
    assert.equal(registry.count({ ...BLOBS, path: new RegExp(layers[0]?.digest ?? '-') }), 0);
  });
});

/** An index of two platforms as `v1`, and a signature of it. */
function addSignedIndex(upstream: Upstream) {
  const amd = upstream.addImage(APP, undefined, [Buffer.from('amd64')]);
  const arm = upstream.addImage(APP, undefined, [Buffer.from('arm64')]);
  const platforms = [
    { ...amd.manifest, platform: { os: 'linux', architecture: 'amd64' } },
    { ...arm.manifest, platform: { os: 'linux', architecture: 'arm64' } },
  ];
  const body = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: platforms };
  const index = upstream.addManifest(APP, body, { tag: 'v1', mediaType: OCI_INDEX });
  const empty = upstream.addBlob(APP, Buffer.from('{}'), 'application/vnd.oci.empty.v1+json');
  const signature = upstream.addManifest(APP, {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    artifactType: 'application/vnd.example.signature',
    config: empty,
    layers: [empty],
    subject: index,
  });
  return { index, signature, arm: { ...arm.manifest, layers: arm.layers } };
}

function fromUpstream(
  upstream: Upstream,
  rules: Readonly<Record<string, unknown>> = {},
  more: { readonly endpoints?: object; readonly policies?: object } = {},
): Readonly<Record<string, unknown>> {
  return {
    projects: { mirror: {} },
    endpoints: { upstream: endpointAt(upstream.url), ...more.endpoints },
    policies: {
      replication: {
        nightly: {
          source: 'upstream',
          destinations: [{ endpoint: 'local', namespace: 'mirror' }],
          repositories: [APP],
          tags: ['v*'],
          ...rules,
        },
        ...more.policies,
      },
    },
  };
}
