import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { type Digest, digestOf } from '../../src/oci/digest.ts';
import type { BlobReader, BlobStore } from '../../src/storage/blob-store.ts';

/** A store of the driver under test, empty at first. */
export interface Storage extends AsyncDisposable {
  readonly store: BlobStore;
  /** Another store over the same bytes, as after a restart of the node; the former is disposed. */
  reopen(): Promise<BlobStore>;
}

/** What every driver must do: each driver's test calls this once. */
export function conformsToBlobStore(open: () => Promise<Storage>): void {
  const signal = AbortSignal.timeout(600_000);

  describe('as a blob store', () => {
    for (const size of [0, 1, 64 * 1024, 64 * 1024 + 1, 3 << 20]) {
      it(`gives back the ${size} bytes that were committed`, async () => {
        await using storage = await open();
        const content = randomBytes(size);

        const digest = await keep(storage.store, content);

        await using reader = await storage.store.open(digest);
        assert.equal(reader.size, size);
        assert.deepEqual(await readAll(reader, signal), content);
        assert.equal(await storage.store.size(digest), size);
        assert.deepEqual(await storage.store.staged(), []);
      });
    }

    it('keeps blobs by sha512 apart from those by sha256', async () => {
      await using storage = await open();
      const content = randomBytes(100_000);
      const digest = await keep(storage.store, content, digestOf(content, 'sha512'));

      assert.equal(await storage.store.size(digest), content.length);
      assert.equal(await storage.store.size(digestOf(content)), undefined);
    });

    it('reads from any position, and nothing past the end', async () => {
      await using storage = await open();
      for (const size of [1000, 100_000]) {
        const content = randomBytes(size);
        await using reader = await storage.store.open(await keep(storage.store, content));
        const into = Buffer.alloc(300);

        const inside = await reader.read(into, 500, { signal });
        assert.equal(inside, 300);
        assert.deepEqual(into, content.subarray(500, 800));
        assert.equal(await reader.read(into, size - 10, { signal }), 10);
        assert.deepEqual(into.subarray(0, 10), content.subarray(size - 10));
        assert.equal(await reader.read(into, size, { signal }), 0);
        assert.equal(await reader.read(into, size + 5, { signal }), 0);
      }
    });

    it('rejects a read that is aborted already', async () => {
      await using storage = await open();
      for (const size of [10, 100_000]) {
        await using reader = await storage.store.open(await keep(storage.store, randomBytes(size)));
        const reason = new Error('gone');
        await assert.rejects(
          reader.read(Buffer.alloc(10), 0, { signal: AbortSignal.abort(reason) }),
          reason,
        );
      }
    });

    it('says BLOB_UNKNOWN for a blob that it does not have, also the second time', async () => {
      await using storage = await open();
      const digest = digestOf(Buffer.from('never stored'));
      await assert.rejects(storage.store.open(digest), { code: 'BLOB_UNKNOWN' });
      await assert.rejects(storage.store.open(digest), { code: 'BLOB_UNKNOWN' });
      assert.equal(await storage.store.size(digest), undefined);
    });

    it('shows no blob before it is committed', async () => {
      await using storage = await open();
      const content = randomBytes(100_000);
      await using staged = await storage.store.stage('half');
      await staged.write(content, 0);
      await staged.sync();

      await assert.rejects(storage.store.open(digestOf(content)), { code: 'BLOB_UNKNOWN' });
      assert.deepEqual(await storage.store.staged(), ['half']);
    });

    it('agrees with a second commit of the same digest', async () => {
      await using storage = await open();
      const content = randomBytes(100_000);
      await using first = await storage.store.stage('first');
      await using second = await storage.store.stage('second');
      await first.write(content, 0);
      await second.write(content, 0);
      const digest = digestOf(content);

      await Promise.all([first.commit(digest), second.commit(digest)]);

      await using reader = await storage.store.open(digest);
      assert.deepEqual(await readAll(reader, signal), content);
      assert.deepEqual(await storage.store.staged(), []);
    });

    it('removes a blob, while readers that have it go on to its end', async () => {
      await using storage = await open();
      for (const size of [10, 1 << 20]) {
        const content = randomBytes(size);
        const digest = await keep(storage.store, content);
        await using reader = await storage.store.open(digest);

        await storage.store.remove(digest);
        await storage.store.remove(digest);

        await assert.rejects(storage.store.open(digest), { code: 'BLOB_UNKNOWN' });
        assert.equal(await storage.store.size(digest), undefined);
        assert.deepEqual(await readAll(reader, signal), content);
      }
    });

    it('keeps a blob anew that was removed', async () => {
      await using storage = await open();
      const content = randomBytes(1 << 20);
      const digest = await keep(storage.store, content);
      await storage.store.remove(digest);

      await keep(storage.store, content);

      await using reader = await storage.store.open(digest);
      assert.deepEqual(await readAll(reader, signal), content);
    });

    it('walks over every blob that it has, and nothing else', async () => {
      await using storage = await open();
      const contents = Array.from({ length: 50 }, (_, index) => Buffer.from(`blob ${index}`));
      const digests = await Promise.all(
        contents.map((content, index) =>
          keep(storage.store, content, digestOf(content, index % 2 ? 'sha256' : 'sha512'), {
            id: `kept-${index}`,
          }),
        ),
      );
      await storage.store.remove(digests[0] ?? assert.fail());
      await using staged = await storage.store.stage('half');
      await staged.write(randomBytes(10), 0);

      const walked = await Array.fromAsync(storage.store.stored());

      assert.deepEqual(walked.toSorted(), digests.slice(1).toSorted());
      const reopened = await storage.reopen();
      assert.equal((await Array.fromAsync(reopened.stored())).length, 49);
    });

    it('goes on walking while blobs are removed, and stops when nobody asks for more', async () => {
      await using storage = await open();
      for (const text of ['one', 'two', 'three']) await keep(storage.store, Buffer.from(text));

      for await (const digest of storage.store.stored()) await storage.store.remove(digest);
      assert.deepEqual(await Array.fromAsync(storage.store.stored()), []);

      const kept = await keep(storage.store, Buffer.from('four'));
      for await (const digest of storage.store.stored()) {
        assert.equal(digest, kept);
        break;
      }
    });

    for (const size of [1000, 1 << 20]) {
      it(`serves 50 readers that open one blob of ${size} bytes at the same time`, async () => {
        await using storage = await open();
        const content = randomBytes(size);
        const digest = await keep(storage.store, content);
        const reopened = await storage.reopen();

        const copies = await Promise.all(
          Array.from({ length: 50 }, async () => {
            await using reader = await reopened.open(digest);
            return await readAll(reader, signal);
          }),
        );

        for (const copy of copies) assert.deepEqual(copy, content);
      });
    }

    it('keeps blobs and staged bytes over a restart', async () => {
      await using storage = await open();
      const content = randomBytes(100_000);
      const digest = await keep(storage.store, content);
      await using staged = await storage.store.stage('session');
      await staged.write(content.subarray(0, 500), 0);
      await staged.sync();

      const reopened = await storage.reopen();

      await using reader = await reopened.open(digest);
      assert.deepEqual(await readAll(reader, signal), content);
      assert.deepEqual(await reopened.staged(), ['session']);
      await using again = await reopened.stage('session');
      assert.equal(await again.size(), 500);
      assert.deepEqual(await stagedBytes(again, 500), content.subarray(0, 500));
    });

    it('tells how much room there is', async () => {
      await using storage = await open();
      const { total, free } = await storage.store.space();
      assert.ok(total >= free);
      assert.ok(free > 0);
    });
  });

  describe('as a staged file', () => {
    it('takes bytes in any order and leaves holes between them', async () => {
      await using storage = await open();
      await using staged = await storage.store.stage('sparse');
      assert.equal(await staged.size(), 0);

      await staged.write(Buffer.from('world'), 100_000);
      await staged.write(Buffer.from('hello'), 0);

      assert.equal(await staged.size(), 100_005);
      assert.equal((await stagedBytes(staged, 5)).toString(), 'hello');
      const into = Buffer.alloc(10);
      assert.equal(await staged.read(into, 100_000), 5);
      assert.equal(into.toString('utf8', 0, 5), 'world');
      assert.equal(await staged.read(into, 100_005), 0);
    });

    it('is cut to a size', async () => {
      await using storage = await open();
      await using staged = await storage.store.stage('cut');
      await staged.write(Buffer.from('hello'), 0);
      await staged.truncate(2);
      assert.equal(await staged.size(), 2);
    });

    it('is gone once discarded, and discarding again is harmless', async () => {
      await using storage = await open();
      await using staged = await storage.store.stage('gone');
      await staged.write(Buffer.from('hello'), 0);
      await staged.discard();
      await staged.discard();
      assert.deepEqual(await storage.store.staged(), []);
    });

    it('is still read by those who hold it once it is committed, and no longer discarded', async () => {
      await using storage = await open();
      const content = randomBytes(1000);
      const digest = digestOf(content);
      await using staged = await storage.store.stage('held');
      await staged.write(content, 0);
      await staged.commit(digest);
      await using successor = await storage.store.stage('held');

      await staged.discard();

      assert.deepEqual(await stagedBytes(staged, 1000), content);
      assert.equal(await storage.store.size(digest), 1000);
      assert.deepEqual(await storage.store.staged(), ['held']);
      await successor.discard();
    });

    for (const id of ['', '.', '..', '../escape', 'a/b', '.hidden', 'nul\0']) {
      it(`refuses the name ${JSON.stringify(id)}`, async () => {
        await using storage = await open();
        await assert.rejects(storage.store.stage(id), RangeError);
      });
    }
  });
}

/** Stages and commits `content`. */
export async function keep(
  store: BlobStore,
  content: Buffer,
  digest: Digest = digestOf(content),
  { id = 'kept' }: { readonly id?: string } = {},
): Promise<Digest> {
  await using staged = await store.stage(id);
  await staged.write(content, 0);
  await staged.commit(digest);
  return digest;
}

/** From the first byte to the last, in reads of an odd size. */
export async function readAll(
  reader: Pick<BlobReader, 'read'>,
  signal: AbortSignal,
  from = 0,
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for (let position = from; ; ) {
    const into = Buffer.alloc(50_021);
    const length = await reader.read(into, position, { signal });
    if (length === 0) return Buffer.concat(chunks);
    chunks.push(into.subarray(0, length));
    position += length;
  }
}

async function stagedBytes(
  staged: { read(into: Buffer, position: number): Promise<number> },
  size: number,
): Promise<Buffer> {
  const into = Buffer.alloc(size);
  assert.equal(await staged.read(into, 0), size);
  return into;
}
