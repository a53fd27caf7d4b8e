import type { BlobReader } from '../../../src/http/send-blob.ts';

/** Reads from memory by position, as from a disk. */
export function readerOf(bytes: Buffer): BlobReader {
  return {
    size: bytes.length,
    async read(into, position) {
      return bytes.copy(into, 0, position);
    },
    async [Symbol.asyncDispose]() {},
  };
}
