import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { Uploads } from '../../src/catalog/uploads.ts';
import { digestOf } from '../../src/oci/digest.ts';
import type { World } from './world.ts';

export const app = 'local/app';
export const caller = 'alice';
export const signal = AbortSignal.timeout(600_000);
export const content = randomBytes(300_000);
export const digest = digestOf(content);

export async function start(uploads: Uploads, repository = app) {
  const { id } = await uploads.start(repository, { caller, algorithm: 'sha256' });
  return { id, caller };
}

export function part(from: number, to?: number): Readable {
  return Readable.from([content.subarray(from, to)]);
}

/** Gives these bytes, and then nothing until somebody ends it; `taken` resolves when they are asked for more. */
export function feeding(bytes: Buffer) {
  const { promise: taken, resolve } = Promise.withResolvers<void>();
  let isGiven = false;
  const source = new Readable({
    read() {
      if (isGiven) resolve();
      else this.push(bytes);
      isGiven = true;
    },
  });
  return Object.assign(source, { taken });
}

export function fileOf(world: World, { id }: { id: string }): string {
  return join(world.path, 'staging', id);
}

export async function stored({ store }: World): Promise<Buffer> {
  await using reader = await store.open(digest);
  const bytes = Buffer.alloc(reader.size);
  for (let position = 0; position < reader.size; ) {
    position += await reader.read(bytes.subarray(position), position, { signal });
  }
  return bytes;
}

export async function assertGone(
  world: World,
  session: { id: string; caller: string },
): Promise<void> {
  await assert.rejects(world.uploads.status(app, session), { code: 'BLOB_UPLOAD_UNKNOWN' });
  assert.ok(!(await readdir(join(world.path, 'staging'))).includes(session.id));
}
