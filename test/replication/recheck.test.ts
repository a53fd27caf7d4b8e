import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-type.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { startUpstream, type Upstream } from '../support/upstream.ts';
import { endpointAt, type ReplicatingNode, startReplicatingNode } from './support/nodes.ts';

const APP = 'library/app';
const COPIED = `copies/${APP}`;

describe('a policy that looks again at what is the same', () => {
  it('copies what was signed since, though the tag did not move', async () => {
    await using world = await openWorld();
    const { from, to } = world;
    const { manifest } = from.addImage(APP, 'v1', [Buffer.from('layer')]);
    await world.run({ recheck: true });
    const empty = from.addBlob(APP, Buffer.from('{}'), 'application/vnd.oci.empty.v1+json');
    const signature = from.addManifest(APP, {
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      artifactType: 'application/vnd.example.signature',
      config: empty,
      layers: [empty],
      subject: manifest,
    });

    await world.run({ recheck: true });

    assert.ok(to.manifestIn(COPIED, signature.digest));
  });

  it('brings back a layer that the destination lost', async () => {
    await using world = await openWorld();
    const [layer] = world.from.addImage(APP, 'v1', [Buffer.from('layer')]).layers;
    assert.ok(layer);
    await world.run({});
    world.to.remove(COPIED, layer.digest);
    await world.run({});
    assert.equal(world.to.blobIn(COPIED, layer.digest), undefined);

    await world.run({ recheck: true });

    assert.equal(world.to.blobIn(COPIED, layer.digest)?.toString(), 'layer');
  });

  it('copies the platforms that a wider rule adds', async () => {
    await using world = await openWorld();
    const { from, to } = world;
    const children = ['amd64', 'arm64'].map((architecture) => ({
      ...from.addImage(APP, undefined, [Buffer.from(architecture)]).manifest,
      platform: { os: 'linux', architecture },
    }));
    const index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: children };
    from.addManifest(APP, index, { tag: 'v1', mediaType: OCI_INDEX });
    const arm = children[1]?.digest;
    assert.ok(arm);
    await world.run({ platforms: ['linux/amd64'] });
    assert.equal(to.manifestIn(COPIED, arm), undefined);

    await world.run({ platforms: ['linux/amd64', 'linux/arm64'], recheck: true });

    assert.ok(to.manifestIn(COPIED, arm));
  });

  it('writes nothing where all is there', async () => {
    await using world = await openWorld();
    world.from.addImage(APP, 'v1', [Buffer.from('layer')]);
    await world.run({});
    const before = world.to.requests.length;

    await world.run({ recheck: true });

    const asked = world.to.requests.slice(before);
    assert.ok(asked.length > 0);
    assert.ok(asked.every(({ method }) => method === 'HEAD' || method === 'GET'));
  });
});

interface World extends AsyncDisposable {
  readonly from: Upstream;
  readonly to: Upstream;
  /** By a policy with these rules, to its good end. */
  run(rules: Readonly<Record<string, unknown>>): Promise<void>;
}

async function openWorld(): Promise<World> {
  await using opened = new AsyncDisposableStack();
  const { path } = opened.use(await temporaryDirectory());
  const from = opened.use(await startUpstream());
  const to = opened.use(await startUpstream());
  const start = (rules: Readonly<Record<string, unknown>>): Promise<ReplicatingNode> =>
    startReplicatingNode(path, 'node', {
      endpoints: { from: endpointAt(from.url), to: endpointAt(to.url) },
      policies: {
        replication: {
          across: {
            source: 'from',
            destinations: [{ endpoint: 'to', namespace: 'copies' }],
            repositories: [APP],
            ...rules,
          },
        },
      },
    });
  const resources = opened.move();
  return {
    from,
    to,
    async run(rules) {
      await using node = await start(rules);
      const execution = await node.run(1);
      assert.equal(execution.status, 'Succeed', await node.log(execution.id));
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}
