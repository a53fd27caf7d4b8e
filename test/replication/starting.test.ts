import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { startUpstream } from '../support/upstream.ts';
import { endpointAt, startReplicatingNode } from './support/nodes.ts';

const APP = 'library/app';

describe('starting a policy that is running', () => {
  it('waits for its end by default, and counts once however often', async () => {
    await using world = await openWorld({});
    const held = Promise.withResolvers<void>();
    using _ = world.upstream.behave({ path: /tags\/list/, times: 1 }, { hold: held.promise });
    const first = await world.node.start(1);

    const second = await world.node.start(1);
    const third = await world.node.start(1);
    held.resolve();

    assert.notEqual(second, first);
    assert.equal(third, second);
    assert.equal((await world.node.ended(first)).status, 'Succeed');
    assert.equal((await world.node.ended(second)).status, 'Succeed');
  });

  it('fails where the policy says so', async () => {
    await using world = await openWorld({ overlap: 'skip' });
    const held = Promise.withResolvers<void>();
    using _ = world.upstream.behave({ path: /tags\/list/, times: 1 }, { hold: held.promise });
    const first = await world.node.start(1);

    const skipped = await world.node.ended(await world.node.start(1));
    held.resolve();

    assert.equal(skipped.status, 'Failed');
    assert.match(await world.node.log(skipped.id), /still running/);
    assert.equal((await world.node.ended(first)).status, 'Succeed');
  });
});

async function openWorld(rules: Readonly<Record<string, unknown>>) {
  await using opened = new AsyncDisposableStack();
  const directory = opened.use(await temporaryDirectory());
  const upstream = opened.use(await startUpstream());
  upstream.addImage(APP, 'v1', [Buffer.from('layer')]);
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
