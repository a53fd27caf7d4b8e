import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { policiesOf } from '../interop/support/policies.ts';
import { until } from '../interop/support/processes.ts';
import { startPortolan, startStockRegistry } from '../interop/support/registries.ts';
import { digestAt } from '../interop/support/wire.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { startUpstream } from '../support/upstream.ts';
import { startChaosLink } from './support/chaos-link.ts';
import { contentOf } from './support/content.ts';

const MIB = 1 << 20;
const LAYER = contentOf('layer', 24 * MIB);
/** More than what goes in one request at most. */
const LARGE_LAYER = contentOf('large layer', 48 * MIB);
const ENDED = { method: 'PUT', path: /\/blobs\/uploads\// } as const;

describe('a node that is killed as soon as a blob has arrived elsewhere', {
  timeout: 120_000,
}, () => {
  it('does not send it again', async () => {
    await using destination = await startUpstream();
    await using world = await openWorld(LAYER, destination.url.href);
    const hasArrived = (): boolean =>
      destination
        .seen(ENDED)
        .some(({ receivedBytes, status }) => receivedBytes === LAYER.length && status === 201);

    await world.killWhen(hasArrived);

    await world.assertCopied();
    assert.equal(destination.tagged('library/app', 'v1'), world.digest);
    const received = destination.seen(ENDED).map(({ receivedBytes }) => receivedBytes);
    assert.equal(received.filter((bytes) => bytes === LAYER.length).length, 1);
  });
});

describe('a node that is killed in the middle of a large blob', { timeout: 120_000 }, () => {
  it('goes on from there, at distribution 3', async () => {
    await using directory = await temporaryDirectory();
    const folder = join(directory.path, 'registry');
    await using registry = await startStockRegistry(folder, { command: 'registry' });
    await using link = await startChaosLink(registry.url);
    await using world = await openWorld(LARGE_LAYER, link.url);
    link.bytesPerSecond = 16 * MIB;

    await world.killWhen(() => link.seen.bytes > LARGE_LAYER.length / 2);

    await world.assertCopied();
    assert.equal(await digestAt(registry.url, 'library/app', 'v1'), world.digest);
    const again = link.seen.bytes - LARGE_LAYER.length;
    assert.ok(again < MIB, `${again} bytes again`);
  });
});

const endpointAt = (url: string) => ({ adapter: 'distribution', url, allowPrivateAddress: true });

/** A node with a policy from a registry that has an image with that layer. */
async function openWorld(layer: Buffer, destination: string) {
  await using opened = new AsyncDisposableStack();
  const directory = opened.use(await temporaryDirectory());
  const source = opened.use(await startUpstream());
  const { manifest } = source.addImage('library/app', 'v1', [layer]);
  const configuration = {
    seed: false,
    endpoints: { source: endpointAt(source.url.href), destination: endpointAt(destination) },
    policies: {
      replication: {
        onward: {
          source: 'source',
          destinations: [{ endpoint: 'destination' }],
          repositories: ['library/app'],
        },
      },
    },
  };
  const folder = join(directory.path, 'node');
  let execution: number | undefined;
  const resources = opened.move();
  return {
    digest: manifest.digest,
    /** Starts the copy, and the node once more after its end. */
    async killWhen(isTime: () => boolean): Promise<void> {
      const node = await startPortolan(folder, { configuration });
      execution = await policiesOf(node).start('onward');
      while (!isTime()) await turn();
      await node.stop('SIGKILL');
    },
    async assertCopied(): Promise<void> {
      assert.ok(execution !== undefined);
      await using again = await startPortolan(folder, { configuration });
      const policies = policiesOf(again);
      await until(async () => (await policies.outcome(execution ?? 0)) !== undefined, 60_000);
      assert.equal(await policies.outcome(execution), 'Succeed');
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}
