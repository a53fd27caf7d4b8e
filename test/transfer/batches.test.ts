import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { BATCH_BYTES, batchesOf } from '../../src/transfer/batches.ts';

const silenceMs = 10_000;

describe('taking a stream in batches', () => {
  it('gives every byte once and in order, in pieces of at most 64 KiB', async () => {
    const sizes = fc.array(fc.integer({ min: 0, max: 3 * BATCH_BYTES }), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(sizes, fc.boolean(), async (lengths, isSlow) => {
        const chunks = lengths.map((length) => randomBytes(length));
        const taken: Buffer[] = [];

        for await (const batch of batchesOf(Readable.from(chunks), { silenceMs })) {
          assert.ok(batch.length > 0 && batch.length <= BATCH_BYTES);
          taken.push(Buffer.from(batch));
          if (isSlow) await new Promise(setImmediate);
        }

        assert.deepEqual(Buffer.concat(taken), Buffer.concat(chunks));
      }),
      { numRuns: 50 },
    );
  });

  it('gives what is there at once, and gathers what comes while it is not asked', async () => {
    const content = new Readable({ read() {} });
    const batches = batchesOf(content, { silenceMs });
    content.push('first');
    const first = await batches.next();
    for (const text of ['second', 'third', 'fourth']) content.push(text);
    await new Promise(setImmediate);

    const second = await batches.next();

    assert.equal(String(first.value), 'first');
    assert.equal(String(second.value), 'secondthirdfourth');
  });

  it('holds a stream back that is faster than what takes it', async () => {
    let pushed = 0;
    const endless = new Readable({
      highWaterMark: BATCH_BYTES,
      read() {
        pushed += BATCH_BYTES;
        this.push(Buffer.alloc(BATCH_BYTES));
      },
    });
    const batches = batchesOf(endless, { silenceMs });
    await batches.next();
    for (let turn = 0; turn < 100; turn++) await new Promise(setImmediate);

    assert.ok(pushed <= 8 * BATCH_BYTES, `${pushed} bytes lie in memory`);
    endless.destroy();
  });

  it('gives what came before a failure, and then fails with it', async () => {
    const failure = new Error('reset');
    const content = new Readable({ read() {} });
    const batches = batchesOf(content, { silenceMs });
    content.push('bytes');
    assert.equal(String((await batches.next()).value), 'bytes');
    content.destroy(failure);

    await assert.rejects(batches.next(), failure);
  });

  it('fails when the stream closes before its end, also if it had done so before', async () => {
    const content = new Readable({ read() {} });
    const batches = batchesOf(content, { silenceMs });
    const next = batches.next();
    content.destroy();
    await assert.rejects(next, /closed before its end/);

    await assert.rejects(batchesOf(content, { silenceMs }).next(), /closed/);
  });

  it('fails after a silence, and not while bytes still come now and then', async () => {
    const content = new Readable({ read() {} });
    const batches = batchesOf(content, { silenceMs: 40 });
    const talk = setInterval(() => content.push('.'), 10);
    for (let count = 0; count < 8; count++) await batches.next();
    clearInterval(talk);

    await assert.rejects(
      async () => {
        for (;;) await batches.next();
      },
      { name: 'SilenceError' },
    );
  });

  it('does not count the time in which nobody asks as silence', async () => {
    const content = new Readable({ read() {} });
    const batches = batchesOf(content, { silenceMs: 20 });
    content.push('first');
    await batches.next();
    const consumerWorked = Promise.withResolvers<void>();
    setTimeout(consumerWorked.resolve, 60);
    await consumerWorked.promise;
    content.push('later');

    assert.equal(String((await batches.next()).value), 'later');
  });
});
