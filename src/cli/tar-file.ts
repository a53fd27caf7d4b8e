import { once } from 'node:events';
import { type FileHandle, open } from 'node:fs/promises';
import { type Pack, pack } from 'tar-stream';

const CHUNK_BYTES = 256 * 1024;
/** Of entries, for the operator and the group: metadata holds password hashes. */
const ENTRY_MODE = 0o640;
/** Of the whole, which may hold the master key, and of entries that are secret. */
const FILE_MODE = 0o600;

/** Reads into the start of `into`; resolves to the bytes read, 0 only at the end. */
export type ReadAt = (into: Buffer, position: number) => Promise<number>;

export interface TarWriter {
  /** A file for the operator alone. */
  secret(name: string, content: Buffer): Promise<void>;
  file(name: string, path: string): Promise<void>;
  /** @throws Error when there are fewer bytes than `size` */
  bytes(name: string, size: number, read: ReadAt): Promise<void>;
}

/** Makes a tar file, durable once this resolves, of the entries that `fill` adds one after the other. */
export async function writeTar<T>(path: string, fill: (tar: TarWriter) => Promise<T>): Promise<T> {
  await using file = await open(path, 'wx', FILE_MODE);
  const tar = pack();
  const written = writeAll(tar, file);
  // Awaited below; until then its failure is what the entries run into.
  written.catch(() => {});
  const filled = await fill(tarWriter(tar, written));
  tar.finalize();
  await written;
  await file.sync();
  return filled;
}

// tar-stream's streams are not Node's own: `pipeline` into a file was seen to never settle (3.2.2, Node 26.10).
async function writeAll(tar: Pack, file: FileHandle): Promise<void> {
  for await (const chunk of tar) {
    // Appends, and all of it, unlike `write`.
    if (chunk instanceof Uint8Array) await file.writeFile(chunk);
  }
}

function tarWriter(tar: Pack, written: Promise<void>): TarWriter {
  /** A tar that cannot be written takes no more, and says nothing. */
  const orFailed = <T>(step: Promise<T>): Promise<T> =>
    Promise.race([step, written.then(() => Promise.reject(new Error('the tar file ended early')))]);

  async function add(
    header: { readonly name: string; readonly size: number; readonly mode: number },
    read: ReadAt,
  ): Promise<void> {
    const { name, size } = header;
    const entry = tar.entry({ ...header, mtime: new Date() });
    const finished = once(entry, 'finish');
    finished.catch(() => {});
    for (let position = 0; position < size; ) {
      const chunk = Buffer.allocUnsafeSlow(Math.min(CHUNK_BYTES, size - position));
      const length = await read(chunk, position);
      if (length === 0) throw new Error(`${name} ended at byte ${position} of ${size}`);
      if (!entry.write(chunk.subarray(0, length))) await orFailed(once(entry, 'drain'));
      position += length;
    }
    entry.end(undefined);
    await orFailed(finished);
  }

  return {
    bytes: (name, size, read) => add({ name, size, mode: ENTRY_MODE }, read),

    secret: (name, content) =>
      add({ name, size: content.length, mode: FILE_MODE }, async (into, position) =>
        content.copy(into, 0, position),
      ),

    async file(name, path) {
      await using file = await open(path);
      const { size } = await file.stat();
      await add({ name, size, mode: ENTRY_MODE }, readerOf(file));
    },
  };
}

function readerOf(file: FileHandle): ReadAt {
  return async (into, position) => (await file.read(into, 0, into.length, position)).bytesRead;
}
