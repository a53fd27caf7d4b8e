import { Router } from '@koa/router';
import { type Digest, isDigest } from '../../oci/digest.ts';
import { OciError } from '../../oci/error.ts';
import { OCTET_STREAM } from '../../oci/media-type.ts';
import { etagOf, isNotModified, isRangeWanted } from '../conditional.ts';
import type { Context, Routes, State } from '../context.ts';
import { answerEmpty } from '../empty-answer.ts';
import { goesToEnd, MOST_RANGES, rangesOf } from '../ranges.ts';
import { RequestError } from '../request-error.ts';
import { requestSignal } from '../request-signal.ts';
import { type BlobReader, multipartOf, sendBlob, sendParts } from '../send-blob.ts';
import type { Gate, Target } from '../target.ts';

/** What these routes need of the node. */
export interface Blobs {
  /**
   * Bytes in the blob, undefined where nobody says; downloads nothing.
   *
   * @throws OciError BLOB_UNKNOWN, NAME_UNKNOWN, and those of an upstream
   */
  blobSize(
    target: Target,
    digest: Digest,
    options: { signal: AbortSignal },
  ): Promise<number | undefined>;
  /** @param options.whole whether it is read to its end, maybe to complete what the client has @throws as `blobSize` */
  blob(
    target: Target,
    digest: Digest,
    options: { whole: boolean; signal: AbortSignal },
  ): Promise<BlobReader>;
  /** Takes it out of this repository. @throws OciError BLOB_UNKNOWN, NAME_UNKNOWN */
  removeBlob(target: Target, digest: Digest): Promise<void>;
}

export interface BlobOptions {
  /**
   * The nginx location (`internal`, `alias` to the storage folder) that sends stored blobs instead of this process.
   * nginx drops most headers of such an answer, so that the location sets `etag off` and adds `Docker-Content-Digest`
   * and `ETag` itself, from `$upstream_http_docker_content_digest` and `$upstream_http_etag` (nginx 1.22).
   */
  readonly accelRedirect?: string | undefined;
}

const PATH = /^\/v2\/(.+)\/blobs\/([^/]+)$/;

/** `/v2/<name>/blobs/<digest>`, distribution-spec v1.1.1. */
export function blobRoutes(blobs: Blobs, gate: Gate, { accelRedirect }: BlobOptions): Routes {
  const router: Routes = new Router<State, object>();

  // end-2
  router.get(PATH, async (ctx) => {
    const { name, text } = parts(ctx.captures);
    const target = await gate(ctx, { route: 'blob', name, action: 'pull' });
    const digest = digestOf(text);
    const signal = requestSignal(ctx);
    if (ctx.method === 'HEAD' || ctx.req.headers['if-none-match'] !== undefined) {
      const size = await blobs.blobSize(target, digest, { signal });
      if (isNotModified(ctx, digest)) return notModified(ctx, digest);
      if (ctx.method === 'HEAD') return describe(ctx, digest, size);
    }
    const { range } = ctx.req.headers;
    const wanted = range !== undefined && isRangeWanted(ctx, digest) ? range : undefined;
    const whole = goesToEnd(wanted);
    await using blob = await blobs.blob(target, digest, { whole, signal });
    describe(ctx, digest, blob.size);
    if (accelRedirect !== undefined && blob.path !== undefined) {
      return handOver(ctx, `${accelRedirect.replace(/\/$/, '')}/${blob.path}`);
    }
    await send(ctx, blob, wanted, signal);
  });

  // end-10
  router.delete(PATH, async (ctx) => {
    const { name, text } = parts(ctx.captures);
    const target = await gate(ctx, { route: 'blob', name, action: 'delete' });
    await blobs.removeBlob(target, digestOf(text));
    answerEmpty(ctx, 202);
  });

  return router;
}

function parts(captures: readonly string[] | undefined): { name: string; text: string } {
  const [name = '', text = ''] = captures ?? [];
  return { name, text };
}

function digestOf(text: string): Digest {
  if (!isDigest(text)) throw new OciError('DIGEST_INVALID', { detail: text });
  return text;
}

function describe(ctx: Context, digest: Digest, size: number | undefined): void {
  const { res } = ctx;
  ctx.status = 200;
  res.setHeader('Content-Type', OCTET_STREAM);
  res.setHeader('Docker-Content-Digest', digest);
  if (size !== undefined) {
    res.setHeader('Content-Length', size);
    res.setHeader('Accept-Ranges', 'bytes');
  }
  res.setHeader('ETag', etagOf(digest));
  res.setHeader('Cache-Control', 'max-age=31536000');
}

function notModified(ctx: Context, digest: Digest): void {
  ctx.status = 304;
  ctx.res.setHeader('Docker-Content-Digest', digest);
  ctx.res.setHeader('ETag', etagOf(digest));
}

/** The front server sends the file, and understands `Range` itself. */
function handOver(ctx: Context, path: string): void {
  ctx.res.setHeader('X-Accel-Redirect', path);
  ctx.res.removeHeader('Accept-Ranges');
  answerEmpty(ctx, 200);
}

async function send(
  ctx: Context,
  blob: BlobReader,
  wanted: string | undefined,
  signal: AbortSignal,
): Promise<void> {
  const { res } = ctx;
  const { size } = blob;
  if (size === undefined) {
    ctx.respond = false;
    await sendBlob(res, blob, { start: 0, end: Number.POSITIVE_INFINITY }, { signal });
    res.end();
    return;
  }
  const ranges = rangesOf(wanted, size);
  if (ranges === 'unsatisfiable') throw outside(size);
  if (ranges === 'too-many') {
    throw new RequestError(400, 'UNSUPPORTED', { message: `more than ${MOST_RANGES} ranges` });
  }
  ctx.respond = false;
  if (ranges === 'whole') {
    await sendBlob(res, blob, { start: 0, end: size }, { signal });
  } else if (ranges.length === 1 && ranges[0] !== undefined) {
    const { start, end } = ranges[0];
    ctx.status = 206;
    res.setHeader('Content-Length', end - start);
    res.setHeader('Content-Range', `bytes ${start}-${end - 1}/${size}`);
    await sendBlob(res, blob, ranges[0], { signal });
  } else {
    const multipart = multipartOf(ranges, size, OCTET_STREAM);
    ctx.status = 206;
    res.setHeader('Content-Length', multipart.length);
    res.setHeader('Content-Type', multipart.contentType);
    await sendParts(res, blob, multipart, { signal });
  }
  res.end();
}

function outside(size: number): RequestError {
  return new RequestError(416, 'SIZE_INVALID', {
    message: `the range lies outside the ${size} bytes of the blob`,
    headers: { 'Content-Range': `bytes */${size}` },
  });
}
