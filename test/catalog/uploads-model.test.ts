import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import type { Uploads } from '../../src/catalog/uploads.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { databases } from '../support/databases.ts';
import { openWorld, type World } from './world.ts';

const RUNS = 40;
const app = 'local/app';
const signal = AbortSignal.timeout(600_000);
const broken = new Error('client went away');

/** What a client may do; sizes in bytes, cut into chunks of `chunk`. */
const step = fc.oneof(
  fc.record({ act: fc.constant('append' as const), size: sizes(), chunk: sizes(), said: saying() }),
  fc.record({ act: fc.constant('break' as const), size: sizes(), chunk: sizes() }),
  fc.record({ act: fc.constant('misplace' as const), offset: fc.integer({ min: -3, max: 3 }) }),
  fc.record({ act: fc.constant('mismeasure' as const), size: sizes(), by: fc.constantFrom(-1, 1) }),
  fc.record({ act: fc.constant('restart' as const) }),
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;
const ending = fc.record({
  size: sizes(),
  algorithm: fc.constantFrom('sha256' as const, 'sha512' as const),
  isRight: fc.boolean(),
});

describe('an upload session', () => {
  it('has exactly the bytes that were acknowledged, whatever clients do', async () => {
    const [engine] = databases;
    assert.ok(engine);
    await using world = await openWorld(engine);

    const property = fc.asyncProperty(
      fc.array(step, { maxLength: 12 }),
      ending,
      async (steps, last) => {
        const session = await sessionIn(world);
        for (const one of steps) await apply(session, one);
        await finish(session, last);
      },
    );

    await fc.assert(property, { numRuns: RUNS });
    assert.deepEqual(await world.store.staged(), []);
  });
});

interface Session {
  readonly world: World;
  readonly key: { readonly id: string; readonly caller: string };
  uploads: Uploads;
  /** The model: what was acknowledged. */
  bytes: Buffer;
}

async function sessionIn(world: World): Promise<Session> {
  const caller = 'alice';
  const { uploads } = world;
  const { id } = await uploads.start(app, { caller, algorithm: 'sha256' });
  return { world, uploads, key: { id, caller }, bytes: Buffer.alloc(0) };
}

async function apply(session: Session, one: Step): Promise<void> {
  const { uploads, key, bytes } = session;
  const end = bytes.length;
  const append = (source: Readable, options: { start?: number; length?: number } = {}) =>
    uploads.append(app, key, source, { ...options, signal });
  if (one.act === 'restart') {
    session.uploads = session.world.uploadsAfterRestart();
  } else if (one.act === 'misplace' && one.offset !== 0) {
    await assert.rejects(append(Readable.from([Buffer.from('x')]), { start: end + one.offset }), {
      code: 'RANGE_INVALID',
    });
  } else if (one.act === 'mismeasure') {
    const length = one.size + one.by;
    const content = bytesFrom(end, one.size);
    await assert.rejects(append(Readable.from([content]), { length }), { code: 'SIZE_INVALID' });
  } else if (one.act === 'append') {
    const content = bytesFrom(end, one.size);
    const options = one.said ? { start: end, length: one.size } : {};
    await append(Readable.from(cut(content, one.chunk)), options);
    session.bytes = Buffer.concat([bytes, content]);
  } else if (one.act === 'break') {
    const content = bytesFrom(end, one.size);
    await assert.rejects(append(Readable.from(breaking(cut(content, one.chunk)))), broken);
    // What was on its way when the client went is lost, and nothing else.
    const { received: kept } = await uploads.status(app, key);
    assert.ok(kept >= end);
    session.bytes = Buffer.concat([bytes, content.subarray(0, kept - end)]);
  }
  const { received } = await session.uploads.status(app, key);
  assert.equal(received, session.bytes.length);
}

async function finish(
  { world, uploads, key, bytes }: Session,
  { size, algorithm, isRight }: { size: number; algorithm: 'sha256' | 'sha512'; isRight: boolean },
): Promise<void> {
  const rest = bytesFrom(bytes.length, size);
  const whole = Buffer.concat([bytes, rest]);
  const digest = digestOf(isRight ? whole : Buffer.from('else'), algorithm);
  const last = { digest, source: size === 0 ? undefined : Readable.from([rest]) };
  const finishing = uploads.finish(app, key, last, { signal });
  if (isRight) {
    assert.deepEqual(await finishing, { size: whole.length });
    assert.equal((await world.blobs.find(app, digest))?.size, whole.length);
    assert.equal(await world.store.size(digest), whole.length);
  } else {
    await assert.rejects(finishing, { code: 'DIGEST_INVALID' });
  }
  await assert.rejects(uploads.status(app, key), { code: 'BLOB_UPLOAD_UNKNOWN' });
}

function sizes() {
  return fc.oneof(fc.integer({ min: 1, max: 2_000 }), fc.integer({ min: 30_000, max: 140_000 }));
}

function saying() {
  return fc.boolean();
}

/** Every position has its own byte, so that a mix-up shows in the digest. */
function bytesFrom(start: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let index = 0; index < length; index++)
    bytes[index] = ((start + index) * 2_654_435_761) >>> 24;
  return bytes;
}

function* cut(bytes: Buffer, size: number): Generator<Buffer> {
  for (let start = 0; start < bytes.length; start += size)
    yield bytes.subarray(start, start + size);
}

async function* breaking(chunks: Iterable<Buffer>): AsyncGenerator<Buffer> {
  yield* chunks;
  throw broken;
}
