import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { policiesOf } from '../interop/support/policies.ts';
import { until } from '../interop/support/processes.ts';
import { startPortolan } from '../interop/support/registries.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { startUpstream } from '../support/upstream.ts';
import { contentOf } from './support/content.ts';

const LAYER = contentOf('layer', 24 << 20);
const ENDED = { method: 'PUT', path: /\/blobs\/uploads\// } as const;

describe('a node that is killed as soon as a blob has arrived elsewhere', {
  timeout: 120_000,
}, () => {
  it('does not send it again', async () => {
    await using directory = await temporaryDirectory();
    await using source = await startUpstream();
    await using destination = await startUpstream();
    const { manifest } = source.addImage('library/app', 'v1', [LAYER]);
    const endpointAt = ({ url }: typeof source) => ({
      adapter: 'distribution',
      url: url.href,
      allowPrivateAddress: true,
    });
    const configuration = {
      seed: false,
      endpoints: { source: endpointAt(source), destination: endpointAt(destination) },
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
    const node = await startPortolan(folder, { configuration });
    const execution = await policiesOf(node).start('onward');
    const hasArrived = (): boolean =>
      destination
        .seen(ENDED)
        .some(({ receivedBytes, status }) => receivedBytes === LAYER.length && status === 201);
    while (!hasArrived()) await turn();
    await node.stop('SIGKILL');

    await using again = await startPortolan(folder, { configuration });
    await until(async () => (await policiesOf(again).outcome(execution)) !== undefined, 60_000);

    assert.equal(await policiesOf(again).outcome(execution), 'Succeed');
    assert.equal(destination.tagged('library/app', 'v1'), manifest.digest);
    const received = destination.seen(ENDED).map(({ receivedBytes }) => receivedBytes);
    assert.equal(received.filter((bytes) => bytes === LAYER.length).length, 1);
  });
});
