import type { IncomingMessage } from 'node:http';
import { OciError } from '../oci/error.ts';
import { declaredLength } from './request-body.ts';

/** What a request says of the bytes it appends; nothing where the client just streams. */
export interface Chunk {
  /** The offset of its first byte. */
  readonly start?: number;
  /** Bytes. */
  readonly length?: number;
}

/**
 * Reads the upload's `Content-Range`, which is not HTTP's: `<start>-<end>` alone, both included
 * (distribution-spec v1.1.1 "Pushing a blob in chunks").
 *
 * @throws OciError BLOB_UPLOAD_INVALID when it is malformed, SIZE_INVALID when the body is announced with another length
 */
export function chunkOf(request: IncomingMessage): Chunk {
  const header = request.headers['content-range'];
  if (header === undefined) return {};
  const [, first, last] = /^([0-9]{1,15})-([0-9]{1,15})$/.exec(header) ?? [];
  const [start, end] = [Number(first), Number(last)];
  if (first === undefined || end < start) {
    const message = 'Content-Range is not <first byte>-<last byte>';
    throw new OciError('BLOB_UPLOAD_INVALID', { message, detail: header });
  }
  const length = end - start + 1;
  const declared = declaredLength(request);
  if (declared !== undefined && declared !== length) {
    throw new OciError('SIZE_INVALID', { detail: { range: length, length: declared } });
  }
  return { start, length };
}
