import { Readable } from 'node:stream';
import type { BlobReader } from '../storage/blob-store.ts';

/** As the files' own batches: larger ones cost more where pages are new. */
const CHUNK_BYTES = 64 * 1024;

/** The bytes from `start` to `end` of a blob that is here whole, as a push takes them. The reader is closed with the stream. */
export function streamOf(
  reader: BlobReader,
  { start, end = reader.size }: { readonly start: number; readonly end?: number },
): Readable {
  const range = { start, end };
  return Readable.from(chunksOf(reader, range), {
    objectMode: false,
    highWaterMark: 4 * CHUNK_BYTES,
  });
}

async function* chunksOf(
  reader: BlobReader,
  { start, end }: { readonly start: number; readonly end: number },
): AsyncGenerator<Buffer> {
  await using blob = reader;
  // What is here whole is not waited for.
  const { signal } = new AbortController();
  for (let position = start; position < end; ) {
    const into = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, end - position));
    const bytes = await blob.read(into, position, { signal });
    if (bytes === 0) return;
    position += bytes;
    yield into.subarray(0, bytes);
  }
}
