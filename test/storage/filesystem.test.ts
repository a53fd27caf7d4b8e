import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import {
  type FileHandle,
  mkdir,
  open,
  readdir,
  readFile,
  readlink,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { digestOf } from '../../src/oci/digest.ts';
import { openFilesystem } from '../../src/storage/filesystem.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { conformsToBlobStore, keep, readAll } from './conformance.ts';

const signal = AbortSignal.timeout(600_000);

describe('the filesystem driver', () => {
  conformsToBlobStore(async () => {
    const directory = await temporaryDirectory();
    const stores = new AsyncDisposableStack();
    stores.use(directory);
    let store = stores.use(await openFilesystem(directory.path));
    return {
      store,
      async reopen() {
        await store[Symbol.asyncDispose]();
        store = stores.use(await openFilesystem(directory.path));
        return store;
      },
      [Symbol.asyncDispose]: () => stores.disposeAsync(),
    };
  });

  it('lays a blob where it says that it lies', async () => {
    await using directory = await temporaryDirectory();
    await using store = await openFilesystem(join(directory.path, 'deep', 'data'));
    const content = randomBytes(1000);

    const digest = await keep(store, content);

    const path = store.pathOf?.(digest) ?? '';
    const hex = digest.slice('sha256:'.length);
    assert.equal(path, `blobs/sha256/${hex.slice(0, 2)}/${hex}`);
    assert.deepEqual(await readFile(join(directory.path, 'deep', 'data', path)), content);
  });

  it('walks past files and folders that are no blobs, and leaves them alone', async () => {
    await using directory = await temporaryDirectory();
    await using store = await openFilesystem(directory.path);
    const digest = await keep(store, Buffer.from('a blob'));
    const [blob = '', other = ''] = [digest, digestOf(Buffer.from('other'))].map((one) =>
      join(directory.path, store.pathOf?.(one) ?? ''),
    );
    const foreign = [
      join(directory.path, 'blobs', 'README'),
      join(directory.path, 'blobs', 'sha512'),
      join(directory.path, 'blobs', 'sha256', basename(other)),
      join(dirname(blob), '.nfs0001'),
      join(dirname(blob), basename(other)),
      join(dirname(blob), basename(blob).toUpperCase()),
    ];
    for (const path of foreign) await writeFile(path, 'not a blob');
    await mkdir(other, { recursive: true });

    assert.deepEqual(await Array.fromAsync(store.stored()), [digest]);

    for (const path of foreign) assert.equal(await readFile(path, 'utf8'), 'not a blob');
  });

  it('syncs the name of every folder that it makes', async (test) => {
    await using directory = await temporaryDirectory();
    const synced: string[] = [];
    await using file = await open('/dev/null');
    test.mock.method(Object.getPrototypeOf(file), 'sync', async function (this: FileHandle) {
      synced.push(await readlink(`/proc/self/fd/${this.fd}`));
    });

    const root = join(directory.path, 'new', 'deep', 'data');
    await using store = await openFilesystem(root);
    const digest = await keep(store, randomBytes(10));

    const blob = join(root, store.pathOf?.(digest) ?? '');
    for (let path = dirname(blob); path !== dirname(directory.path); path = dirname(path)) {
      assert.ok(synced.includes(path), path);
    }
  });

  it('hands out small blobs as bytes in memory, and large ones not', async () => {
    await using directory = await temporaryDirectory();
    await using store = await openFilesystem(directory.path);
    await using small = await store.open(await keep(store, randomBytes(64 * 1024)));
    await using large = await store.open(await keep(store, randomBytes(64 * 1024 + 1)));

    assert.equal(small.bytes?.length, 64 * 1024);
    assert.equal(large.bytes, undefined);
  });

  it('opens a large blob once for many readers, and closes it with the store', async () => {
    await using directory = await temporaryDirectory();
    await using store = await openFilesystem(directory.path);
    const digest = await keep(store, randomBytes(1 << 20));

    const readers = await Promise.all(Array.from({ length: 50 }, () => store.open(digest)));
    const during = await openBelow(directory.path);
    for (const reader of readers) await reader[Symbol.asyncDispose]();
    const idle = await openBelow(directory.path);
    await store[Symbol.asyncDispose]();

    assert.equal(during, 1);
    assert.equal(idle, 1);
    assert.equal(await openBelow(directory.path), 0);
  });

  it('keeps no more files open than it may, and none that a reader still needs is closed', async () => {
    await using directory = await temporaryDirectory();
    await using store = await openFilesystem(directory.path, { openFiles: 2 });
    const contents = Array.from({ length: 8 }, () => randomBytes(100_000));
    for (const content of contents) await keep(store, content);

    const readers = await Promise.all(contents.map((content) => store.open(digestOf(content))));
    for (const [index, reader] of readers.entries()) {
      assert.deepEqual(await readAll(reader, signal), contents[index]);
      await reader[Symbol.asyncDispose]();
    }

    assert.equal(await openBelow(directory.path), 2);
  });

  it('closes the file of a removed blob with its last reader', async () => {
    await using directory = await temporaryDirectory();
    await using store = await openFilesystem(directory.path);
    const digest = await keep(store, randomBytes(1 << 20));
    const reader = await store.open(digest);

    await store.remove(digest);
    assert.equal(await openBelow(directory.path), 1);
    await reader[Symbol.asyncDispose]();

    assert.equal(await openBelow(directory.path), 0);
    await assert.rejects(reader.read(Buffer.alloc(1), 0, { signal }));
  });

  it('forgets small blobs beyond its memory', async () => {
    await using directory = await temporaryDirectory();
    await using store = await openFilesystem(directory.path, { memoryBytes: 10_000 });
    const first = await keep(store, randomBytes(8000));
    await using known = await store.open(first);
    await using same = await store.open(first);
    await using other = await store.open(await keep(store, randomBytes(8000)));
    await using again = await store.open(first);

    assert.equal(known.bytes, same.bytes);
    assert.equal(other.size, 8000);
    assert.notEqual(known.bytes, again.bytes);
    assert.deepEqual(known.bytes, again.bytes);
  });

  it('says StorageFull when there is no room, and removes the file', async () => {
    await using directory = await temporaryDirectory();
    await using store = await openFilesystem(directory.path);
    // The kernel's own device that answers ENOSPC to every write: a full disk that needs no root.
    await symlink('/dev/full', join(directory.path, 'staging', 'full'));
    await using staged = await store.stage('full');

    await assert.rejects(staged.write(Buffer.from('bytes'), 0), { name: 'StorageFull' });
    await staged.discard();

    assert.deepEqual(await readdir(join(directory.path, 'staging')), []);
  });

  it('passes other failures on as they are', async () => {
    await using directory = await temporaryDirectory();
    await using store = await openFilesystem(directory.path);
    await mkdir(join(directory.path, 'staging', 'folder'));
    const digest = digestOf(Buffer.from('in the way'));
    await writeFile(join(directory.path, 'blobs', 'sha256'), 'a file in the way');

    await assert.rejects(store.stage('folder'), { code: 'EISDIR' });
    await assert.rejects(store.open(digest), { code: 'ENOTDIR' });
    await assert.rejects(store.size(digest), { code: 'ENOTDIR' });
  });

  it('commits after a failure that is over', async () => {
    await using directory = await temporaryDirectory();
    await using store = await openFilesystem(directory.path);
    const content = randomBytes(100);
    await using staged = await store.stage('again');
    await staged.write(content, 0);
    await writeFile(join(directory.path, 'blobs', 'sha256'), 'a file in the way');
    await assert.rejects(staged.commit(digestOf(content)), { code: 'ENOTDIR' });

    await rm(join(directory.path, 'blobs', 'sha256'));
    await staged.commit(digestOf(content));

    await using reader = await store.open(digestOf(content));
    assert.deepEqual(reader.bytes, content);
  });
});

describe('a staged file whose sync failed', () => {
  for (const work of ['sync', 'commit'] as const) {
    it(`is never taken for synced afterwards, and gone (${work})`, async (test) => {
      await using directory = await temporaryDirectory();
      await using store = await openFilesystem(directory.path);
      const content = randomBytes(100);
      const digest = digestOf(content);
      await using staged = await store.stage('lost');
      await staged.write(content, 0);
      const run = () => (work === 'sync' ? staged.sync() : staged.commit(digest));

      // As Linux: the first call tells, the next one succeeds without the bytes being on disk (LWN 752063).
      await failOnce(test, 'datasync', 'EIO');
      await assert.rejects(run(), { code: 'EIO' });

      await assert.rejects(run(), { code: 'EIO' });
      await assert.rejects(staged.commit(digest), { code: 'EIO' });
      assert.equal(await store.size(digest), undefined);
      assert.deepEqual(await store.staged(), []);
      await using again = await store.stage('lost');
      await staged.discard();
      assert.equal(await again.size(), 0);
      assert.deepEqual(await store.staged(), ['lost']);
    });
  }

  it('is told as a full disk where there was no room', async (test) => {
    await using directory = await temporaryDirectory();
    await using store = await openFilesystem(directory.path);
    await using staged = await store.stage('full');
    await staged.write(randomBytes(100), 0);

    await failOnce(test, 'datasync', 'ENOSPC');

    await assert.rejects(staged.sync(), { name: 'StorageFull' });
    await assert.rejects(staged.sync(), { name: 'StorageFull' });
  });

  it('is gone where its name could not be synced', async (test) => {
    await using directory = await temporaryDirectory();
    await using store = await openFilesystem(directory.path);
    await using staged = await store.stage('nameless');

    await failOnce(test, 'sync', 'EIO');

    await assert.rejects(staged.sync(), { code: 'EIO' });
    await assert.rejects(staged.sync(), { code: 'EIO' });
    assert.deepEqual(await store.staged(), []);
  });
});

/** The next such call of any file fails, as on a disk that does. */
async function failOnce(
  test: TestContext,
  call: 'sync' | 'datasync',
  code: 'EIO' | 'ENOSPC',
): Promise<void> {
  await using file = await open('/dev/null');
  const failing = test.mock.method(Object.getPrototypeOf(file), call);
  failing.mock.mockImplementationOnce(async () => {
    throw Object.assign(new Error(code), { code });
  });
}

/** Descriptors of this process below the folder. */
async function openBelow(path: string): Promise<number> {
  const targets = await Promise.all(
    (await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')),
  );
  return targets.filter((target) => target.startsWith(path)).length;
}
