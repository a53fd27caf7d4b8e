import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { digestOf } from '../../src/oci/digest.ts';
import { PruneRepository } from '../../src/replication/payloads.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { startUpstream, type Upstream } from '../support/upstream.ts';
import { endpointAt, type ReplicatingNode, startReplicatingNode } from './support/nodes.ts';
import { push } from './support/push.ts';

const A = 'library/a';
const B = 'library/b';

describe('what is pushed while a mirror waits with its deletions', () => {
  it('stays, on this node', async () => {
    await using world = await openWorld({ endpoint: 'local', namespace: 'mirror' });
    const { node } = world;
    await using waiting = await startWaiting(world);

    const ours = await push(node, `mirror/${A}`, 'v2', { text: 'ours' });

    await waiting.end();
    const { body } = await node.send({ path: `/v2/mirror/${A}/manifests/v2` });
    assert.equal(digestOf(body), ours);
    assert.deepEqual(await node.tags(`mirror/${A}`), ['v1', 'v2']);
    assert.match(await node.log(waiting.execution), /skipped: it was pushed anew/);
  });

  it('stays, at another registry', async () => {
    await using world = await openWorld({ endpoint: 'there' });
    const { node, there } = world;
    await using waiting = await startWaiting(world);

    const { manifest } = there.addImage(A, 'v2', [Buffer.from('ours')]);

    await waiting.end();
    assert.equal(there.tagged(A, 'v2'), manifest.digest);
    assert.equal(there.tagged(A, 'v3'), undefined);
    assert.match(await node.log(waiting.execution), /skipped: it was pushed anew/);
  });
});

describe('deletions that an older version planned', () => {
  it('can be read', () => {
    const place = { from: A, to: `mirror/${A}`, destination: 0, selected: 3 };

    const { gone } = PruneRepository.parse({ ...place, gone: ['v2'] });

    assert.deepEqual(gone, [{ tag: 'v2' }]);
  });
});

interface World extends AsyncDisposable {
  readonly upstream: Upstream;
  readonly there: Upstream;
  readonly node: ReplicatingNode;
}

/** The source lost `v2` and `v3` of one repository, and says nothing of another one, for which deletions wait. */
async function startWaiting({ upstream, node }: World) {
  for (const tag of ['v1', 'v2', 'v3']) upstream.addImage(A, tag, [Buffer.from(tag)]);
  upstream.addImage(B, 'v1', [Buffer.from('other')]);
  const first = await node.run(1);
  assert.equal(first.status, 'Succeed', await node.log(first.id));
  for (const tag of ['v2', 'v3']) upstream.remove(A, tag);
  const held = Promise.withResolvers<void>();
  const rule = upstream.behave({ path: /library\/b\/tags/ }, { hold: held.promise });
  const execution = await node.start(1);
  await node.untilLogged(execution, /1 tags selected/);
  const release = (): void => {
    held.resolve();
    rule[Symbol.dispose]();
  };
  return {
    execution,
    async end() {
      release();
      assert.equal((await node.ended(execution)).status, 'Succeed', await node.log(execution));
    },
    [Symbol.asyncDispose]: async () => release(),
  };
}

async function openWorld(destination: object): Promise<World> {
  await using opened = new AsyncDisposableStack();
  const directory = opened.use(await temporaryDirectory());
  const upstream = opened.use(await startUpstream());
  const there = opened.use(await startUpstream());
  const node = opened.use(
    await startReplicatingNode(directory.path, 'node', {
      projects: { mirror: {} },
      endpoints: { upstream: endpointAt(upstream.url), there: endpointAt(there.url) },
      policies: {
        replication: {
          nightly: {
            source: 'upstream',
            destinations: [destination],
            repositories: [A, B],
            prune: { atMost: 5 },
          },
        },
      },
    }),
  );
  const resources = opened.move();
  return { upstream, there, node, [Symbol.asyncDispose]: () => resources.disposeAsync() };
}
