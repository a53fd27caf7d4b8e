import { discard } from './body.ts';
import { UpstreamInvalid } from './errors.ts';
import type { HttpResponse } from './http-connection.ts';
import type { BlobPart } from './peer.ts';
import type { Call, RegistryCalls } from './registry-client.ts';
import { refusal } from './repository-calls.ts';

/** Half-open; without `end` to the blob's end. */
interface Range {
  readonly start: number;
  readonly end?: number;
}

/** @throws OciError BLOB_UNKNOWN */
export async function readBlob(
  calls: RegistryCalls,
  call: Call,
  range: Range | undefined,
): Promise<BlobPart> {
  // All of it is what a plain request gets; a range of everything would have some registries think.
  const isAll = range === undefined || (range.start === 0 && range.end === undefined);
  if (isAll) return partOf(await calls.send(call), undefined, call);

  const last = range.end === undefined ? '' : range.end - 1;
  const headers = { ...call.headers, range: `bytes=${range.start}-${last}` };
  const response = await calls.send({ ...call, headers });
  if (response.status !== 416) return partOf(response, range, call);
  discard(response.content);
  const size = /^bytes \*\/(\d+)$/.exec(response.headers['content-range'] ?? '')?.[1];
  if (size !== undefined && range.start > 0 && Number(size) <= range.start) {
    throw new UpstreamInvalid(call.url.host, `a blob of ${size} bytes, asked from ${range.start}`);
  }
  // It has the bytes and will not give a part, or the blob is empty and has none.
  return readBlob(calls, call, undefined);
}

/** Bytes, from `Content-Length`. */
export function sizeIn(header: string | undefined): number | undefined {
  return header !== undefined && /^\d{1,15}$/.test(header) ? Number(header) : undefined;
}

function partOf(response: HttpResponse, asked: Range | undefined, call: Call): BlobPart {
  const { content } = response;
  try {
    return { ...placeOf(response, asked, call), content };
  } catch (error) {
    discard(content);
    throw error;
  }
}

function placeOf(
  { status, headers }: HttpResponse,
  asked: Range | undefined,
  call: Call,
): Omit<BlobPart, 'content'> {
  const { host } = call.url;
  if (status !== 200 && status !== 206) throw refusal(call, status, 'BLOB_UNKNOWN');
  const encoding = headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity') throw new UpstreamInvalid(host, `a blob encoded as ${encoding}`);
  if (status === 200) {
    const size = sizeIn(headers['content-length']);
    return { start: 0, end: size ?? Number.POSITIVE_INFINITY, size };
  }

  const range = headers['content-range'] ?? '';
  const [, first, last, size] = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/.exec(range) ?? [];
  const isAsked =
    asked !== undefined &&
    Number(first) === asked.start &&
    (asked.end === undefined || Number(last) < asked.end);
  if (!isAsked) throw new UpstreamInvalid(host, `a part "${range}" that was not asked for`);
  return { start: asked.start, end: Number(last) + 1, size: sizeIn(size) };
}
