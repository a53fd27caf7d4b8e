import { type FileHandle, open } from 'node:fs/promises';
import { LRUCache } from 'lru-cache';
import type { Digest } from '../oci/digest.ts';

/** One reader's share of an open file; disposing gives it back. */
export interface FileLease extends AsyncDisposable {
  /** Bytes. */
  readonly size: number;
  /** Whether the file left the cache since: what was read of it must not be cached any more. */
  readonly isRetired: boolean;
  /** Resolves to the bytes read, 0 past the end. */
  read(into: Buffer, position: number): Promise<number>;
  /** Everything, read once however many readers ask; for small files. */
  whole(): Promise<Buffer>;
}

/**
 * Open files by digest, least recently used ones closed first. Concurrent first opens share one, and a file is closed
 * only when it has left the cache and its last reader has left it: a handle that nobody holds would be closed by the
 * garbage collector under a running read (docs/performance.md 7, seen as downloads that hang).
 */
export class OpenFiles implements AsyncDisposable {
  readonly #files: LRUCache<Digest, SharedFile>;
  readonly #closing = new Set<Promise<unknown>>();

  constructor(most: number) {
    this.#files = new LRUCache({ max: most, dispose: (file) => this.#closed(file.retire()) });
  }

  /** Rejects as `open` of node:fs does. */
  async acquire(digest: Digest, path: string): Promise<FileLease> {
    let file = this.#files.get(digest);
    if (file === undefined) {
      file = new SharedFile(path);
      this.#files.set(digest, file);
    }
    file.enter();
    try {
      await file.opened;
    } catch (error) {
      if (this.#files.peek(digest) === file) this.#files.delete(digest);
      await file.leave();
      throw error;
    }
    return leaseOf(file);
  }

  /** New readers open it anew; those that have it go on. */
  retire(digest: Digest): void {
    this.#files.delete(digest);
  }

  /** Closes what nobody reads; the rest is closed by its last reader. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#files.clear();
    await Promise.all(this.#closing);
  }

  #closed(closing: Promise<void>): void {
    const forget = () => this.#closing.delete(settled);
    // A file that was only read loses nothing when closing it fails.
    const settled: Promise<unknown> = closing.then(forget, forget);
    this.#closing.add(settled);
  }
}

interface Opened {
  readonly handle: FileHandle;
  readonly size: number;
}

class SharedFile {
  readonly opened: Promise<Opened>;
  isRetired = false;
  #readers = 0;
  #whole: Promise<Buffer> | undefined;

  constructor(path: string) {
    this.opened = openRegular(path);
    this.opened.catch(() => {}); // Whoever acquires awaits it a turn later.
  }

  enter(): void {
    this.#readers += 1;
  }

  async leave(): Promise<void> {
    this.#readers -= 1;
    await this.#closeWhenUnused();
  }

  async retire(): Promise<void> {
    this.isRetired = true;
    await this.#closeWhenUnused();
  }

  async whole(): Promise<Buffer> {
    this.#whole ??= this.opened.then(readWhole);
    return this.#whole;
  }

  async #closeWhenUnused(): Promise<void> {
    if (!this.isRetired || this.#readers > 0) return;
    const opened = await this.opened.catch(() => undefined);
    await opened?.handle.close();
  }
}

async function leaseOf(file: SharedFile): Promise<FileLease> {
  const { handle, size } = await file.opened;
  let isHeld = true;
  return {
    size,
    get isRetired() {
      return file.isRetired;
    },
    async read(into, position) {
      if (!isHeld) throw new Error('read of a blob after its reader was disposed');
      // Not fs.read with the bare descriptor: the handle waits for running reads before it closes.
      const { bytesRead } = await handle.read(into, 0, into.length, position);
      return bytesRead;
    },
    whole: () => file.whole(),
    async [Symbol.asyncDispose]() {
      if (!isHeld) return;
      isHeld = false;
      await file.leave();
    },
  };
}

async function openRegular(path: string): Promise<Opened> {
  const handle = await open(path);
  try {
    return { handle, size: (await handle.stat()).size };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function readWhole({ handle, size }: Opened): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(size);
  for (let position = 0; position < size; ) {
    const { bytesRead } = await handle.read(bytes, position, size - position, position);
    if (bytesRead === 0) throw new Error(`a blob of ${size} bytes ended at byte ${position}`);
    position += bytesRead;
  }
  return bytes;
}
