import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, it } from 'node:test';
import { reconcile } from '../../src/catalog/reconcile.ts';
import { readAll } from '../storage/conformance.ts';
import { sourceAt } from './support/source.ts';
import { assertKept, assertNothingLeft, BLOBS, type Layer, openWorld } from './support/world.ts';

const signal = AbortSignal.timeout(60_000);
const MIB = 1 << 20;

describe('a fill whose process is killed', () => {
  it('goes on in the next process from what was recorded', async () => {
    await using world = await openWorld();
    const layer = world.layer(24 * MIB);
    world.upstream.behave({ path: BLOBS, times: 1 }, { stallAfter: 20 * MIB });

    await fillUntilKilled(world.folder, world.upstream.url, layer);
    await world.restart();
    await reconcile(world.node.database, world.node.store);
    await world.node.transfers.resume(async () => ({
      source: sourceAt(world.upstream, 'library/alpine', layer),
    }));
    const reader = await world.open(layer);
    const read = await readAll(reader, signal);
    await reader[Symbol.asyncDispose]();

    assert.ok(read.equals(layer.bytes));
    await assertKept(world, layer);
    await assertNothingLeft(world);
    const [, second] = world.upstream.requests;
    const from = Number(/^bytes=(\d+)-$/.exec(second?.headers.range ?? '')?.[1]);
    assert.ok(from >= 16 * MIB, `goes on from ${from}`);
    assert.equal(second?.sentBytes, layer.size - from);
  });
});

async function fillUntilKilled(folder: string, upstream: URL, layer: Layer): Promise<void> {
  const program = join(import.meta.dirname, 'support', 'filling-node.ts');
  const args = [program, folder, upstream.href, layer.digest, String(layer.size)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  const [line] = await once(createInterface(child.stdout), 'line', { signal });
  child.kill('SIGKILL');
  const [, killedBy] = await exited;
  assert.equal(line, 'recorded');
  assert.equal(killedBy, 'SIGKILL');
}
