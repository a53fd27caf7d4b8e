import { type Readable, Transform } from 'node:stream';
import type { BlobPart } from '../registry/peer.ts';

/** The bytes from `start`, from a part that may begin before it, where the peer gives no ranges. */
export function contentFrom(part: BlobPart, start: number): Readable {
  let left = start - part.start;
  if (left === 0) return part.content;
  const skipping = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const skipped = Math.min(left, chunk.length);
      left -= skipped;
      done(null, skipped === 0 ? chunk : chunk.subarray(skipped));
    },
  });
  part.content.on('error', (error) => skipping.destroy(error));
  skipping.on('close', () => part.content.destroy());
  return part.content.pipe(skipping);
}
