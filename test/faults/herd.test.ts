import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { get } from 'node:http';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { endpointAt, startPortolan } from '../interop/support/registries.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { startUpstream } from '../support/upstream.ts';
import { contentOf } from './support/content.ts';

const CLIENTS = 50;
const BLOB_BYTES = 200 << 20;
const UPSTREAM_BYTES_A_SECOND = 50 << 20;

describe('a herd of clients that ask for one cold blob', { timeout: 300_000 }, () => {
  it('gets every byte from one download, each client from its first byte on', async () => {
    await using directory = await temporaryDirectory();
    await using upstream = await startUpstream();
    const layer = upstream.addBlob('library/herd', contentOf('herd', BLOB_BYTES));
    upstream.behave({ path: /\/blobs\// }, { bytesPerSecond: UPSTREAM_BYTES_A_SECOND });
    await using node = await startPortolan(join(directory.path, 'node'), {
      configuration: endpointAt('docker.io', upstream.url.href, 'docker-hub'),
    });
    const url = `${node.url}/v2/docker.io/library/herd/blobs/${layer.digest}`;

    const downloads = await Promise.all(Array.from({ length: CLIENTS }, () => download(url)));

    const endedAt = Math.min(...downloads.map(({ lastByteAt }) => lastByteAt));
    for (const { digest, firstByteAt } of downloads) {
      assert.equal(digest, layer.digest);
      assert.ok(firstByteAt < endedAt, 'the first byte comes while the fill is under way');
    }
    assert.equal(upstream.sentBytes({ method: 'GET', path: /\/blobs\// }), BLOB_BYTES);
  });
});

interface Download {
  readonly digest: string;
  readonly firstByteAt: number;
  readonly lastByteAt: number;
}

function download(url: string): Promise<Download> {
  return new Promise((resolve, reject) => {
    get(url, { agent: false }, (response) => {
      const hash = createHash('sha256');
      let firstByteAt = Number.POSITIVE_INFINITY;
      response.on('data', (chunk: Buffer) => {
        firstByteAt = Math.min(firstByteAt, performance.now());
        hash.update(chunk);
      });
      response.on('error', reject);
      response.on('end', () => {
        const digest = `sha256:${hash.digest('hex')}`;
        resolve({ digest, firstByteAt, lastByteAt: performance.now() });
      });
    }).on('error', reject);
  });
}
