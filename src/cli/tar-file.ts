import { once } from 'node:events';
import { type FileHandle, open } from 'node:fs/promises';
import { type Header, type Pack, pack } from 'tar-stream';

const CHUNK_BYTES = 256 * 1024;
/** For the operator and the group only: metadata holds password hashes. */
const FILE_MODE = 0o640;

/** Reads into the start of `into`; resolves to the bytes read, 0 only at the end. */
export type ReadAt = (into: Buffer, position: number) => Promise<number>;

export interface TarWriter {
  text(name: string, text: string): Promise<void>;
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

  async function bytes(name: string, size: number, read: ReadAt): Promise<void> {
    const entry = tar.entry(headerOf(name, size));
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
    bytes,

    async text(name, text) {
      const content = Buffer.from(text);
      await bytes(name, content.length, async (into, position) => content.copy(into, 0, position));
    },

    async file(name, path) {
      await using file = await open(path);
      const { size } = await file.stat();
      await bytes(name, size, readerOf(file));
    },
  };
}

function readerOf(file: FileHandle): ReadAt {
  return async (into, position) => (await file.read(into, 0, into.length, position)).bytesRead;
}

function headerOf(name: string, size: number): Partial<Header> & Pick<Header, 'name'> {
  return { name, size, mode: FILE_MODE, mtime: new Date() };
}
