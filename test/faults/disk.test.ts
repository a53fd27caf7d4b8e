import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { HTTPError } from 'got';
import { until } from '../interop/support/processes.ts';
import { startPortolan } from '../interop/support/registries.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { RegistryClient } from './support/client.ts';
import { contentOf, imageOf } from './support/content.ts';
import { smallFilesystem } from './support/filesystems.ts';
import { assertNoStrayStaging, Ledger } from './support/ledger.ts';

const MIB = 1 << 20;
const isRefusal = (error: unknown): error is HTTPError =>
  error instanceof HTTPError && error.response.statusCode >= 500;

describe('a node whose disk fails', { timeout: 300_000 }, () => {
  it('says that the disk is full, cleans up, and goes on serving and taking what fits', async () => {
    await using directory = await temporaryDirectory();
    await using disk = await smallFilesystem(directory.path, 64);
    const folder = join(disk.mountPoint, 'node');
    await using node = await startPortolan(folder);
    const client = new RegistryClient(node.url, node.adminPassword);
    const ledger = new Ledger();
    await ledger.push(client, 'first', imageOf('fits', [20 * MIB]));

    await assert.rejects(
      client.pushBlob('local/faults', contentOf('too large', 60 * MIB)),
      (error) => {
        assert.ok(isRefusal(error), String(error));
        assert.match(String(error.response.body), /full|no room|storage/i);
        return true;
      },
    );

    const staging = join(folder, 'data/staging');
    assert.ok(await until(async () => (await readdir(staging)).length === 0, 10_000));
    await ledger.push(client, 'second', imageOf('fits too', [2 * MIB]));
    await ledger.verify(client);
    await node.stop();
    assertNoStrayStaging(join(folder, 'data'));
  });

  it('acknowledges nothing while fsync fails, and takes pushes again afterwards', async () => {
    await using directory = await temporaryDirectory();
    const folder = join(directory.path, 'node');
    await using node = await startPortolan(folder);
    const client = new RegistryClient(node.url, node.adminPassword);
    const ledger = new Ledger();
    await ledger.push(client, 'before', imageOf('before', [MIB]));

    const tracer = spawn(
      'strace',
      ['-f', '-p', String(node.pid), '-o', '/dev/null', '-e', 'inject=fsync,fdatasync:error=EIO'],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    await once(tracer.stderr, 'data'); // "attached"
    await assert.rejects(
      client.pushImage('local/faults', 'during', imageOf('during', [MIB])),
      isRefusal,
    );
    assert.equal(await client.manifestDigest('local/faults', 'during'), undefined);
    tracer.kill('SIGINT');
    await once(tracer, 'exit');

    await ledger.push(client, 'after', imageOf('after', [MIB]));
    await ledger.push(client, 'during', imageOf('during', [MIB]));
    await ledger.verify(client);
    await node.stop();
    await using again = await startPortolan(folder);
    await ledger.verify(new RegistryClient(again.url, again.adminPassword));
    await again.stop();
    assertNoStrayStaging(join(folder, 'data'));
  });
});
