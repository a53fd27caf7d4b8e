import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { contentOf, imageOf } from '../catalog/world.ts';
import { portolan } from '../support/portolan.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { AUTHORIZATION, ask, type ServingNode, serve } from './support.ts';
import { kidOf, statusWith, tokenOf } from './tokens.ts';

describe('a backup of a running node', { timeout: 600_000 }, () => {
  it('is untarred into a folder, and a node serves it', async () => {
    await using directory = await temporaryDirectory();
    const at = (name: string): string => join(directory.path, name);
    await using node = await serve(at('data'));
    const image = await pushImage(node);
    const token = await tokenOf(node);

    const { code, stderr } = await portolan(['backup', at('backup.tar'), '--data', at('data')]);
    assert.equal(code, 0, stderr);
    await mkdir(at('restored'));
    await promisify(execFile)('tar', ['-xf', at('backup.tar'), '-C', at('restored')]);
    await using restored = await serve(at('restored'));

    for (const serving of [node, restored]) {
      const found = await ask(serving, '/v2/local/app/manifests/v1');
      assert.equal(found.status, 200);
      assert.equal(found.body, image.bytes.toString());
      const layer = await ask(serving, `/v2/local/app/blobs/${LAYER.digest}`);
      assert.equal(layer.status, 200);
      assert.equal(layer.body, LAYER.bytes.toString());
    }
    // What opens the secrets came along, for nobody else to read.
    assert.equal((await stat(at('restored/master.key'))).mode & 0o777, 0o600);
    assert.equal(kidOf(await tokenOf(restored)), kidOf(token));
    assert.equal(await statusWith(restored, token), 200);
  });
});

const CONFIG = contentOf('{}');
const LAYER = contentOf('a layer '.repeat(50_000));

async function pushImage(node: ServingNode) {
  const headers = { authorization: AUTHORIZATION };
  for (const { bytes, digest } of [CONFIG, LAYER]) {
    const path = `/v2/local/app/blobs/uploads/?digest=${digest}`;
    const { status } = await ask(node, path, { method: 'POST', headers, body: bytes.toString() });
    assert.equal(status, 201);
  }
  const image = imageOf(CONFIG, [LAYER]);
  const { status } = await ask(node, '/v2/local/app/manifests/v1', {
    method: 'PUT',
    headers: { ...headers, 'content-type': 'application/vnd.oci.image.manifest.v1+json' },
    body: image.bytes.toString(),
  });
  assert.equal(status, 201);
  return image;
}
