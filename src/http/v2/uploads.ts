/**
 * A push of one blob:
 *
 *     POST uploads/                 202  a session, its Location and Range: 0-0        (end-4a)
 *     POST uploads/?digest=D  body  201  all at once                                   (end-4b)
 *     POST uploads/?mount=D[&from]  201  linked from elsewhere, or 202 a session       (end-11)
 *     PATCH <location>        body  202  appended; 416 where it does not start at the end (end-5)
 *     GET <location>                204  how far it is                                 (end-13)
 *     PUT <location>?digest=D body  201  the rest, if any, and the blob is there       (end-6)
 *     DELETE <location>             204  forgotten                                     (end-14, main branch)
 */
import type { Readable } from 'node:stream';
import { Router } from '@koa/router';
import { may } from '../../../policies/access.ts';
import { type Digest, type DigestAlgorithm, isDigest } from '../../oci/digest.ts';
import { OciError } from '../../oci/error.ts';
import { type Chunk, chunkOf } from '../chunk.ts';
import type { Context, Routes, State } from '../context.ts';
import { answerEmpty } from '../empty-answer.ts';
import { pathTo } from '../links.ts';
import { queryOf } from '../query.ts';
import { bodyOf, hasBody } from '../request-body.ts';
import { requestSignal } from '../request-signal.ts';
import type { Gate, Names, Project, Target } from '../target.ts';
import { locate, PERMISSIONS } from '../target.ts';
import { createUploadSlots, type UploadSlots } from '../upload-slots.ts';

/** A session belongs to whoever opened it. */
export interface UploadSession {
  readonly id: string;
  /** The caller's name. */
  readonly caller: string;
}

export interface ReceiveOptions extends Chunk {
  readonly signal: AbortSignal;
}

/** What these routes need of the node. Sessions throw OciError BLOB_UPLOAD_UNKNOWN when they are not, or not the caller's. */
export interface Uploads {
  startUpload(
    target: Target,
    options: { readonly caller: string; readonly algorithm: DigestAlgorithm },
  ): Promise<{ readonly id: string }>;
  uploadStatus(target: Target, session: UploadSession): Promise<{ readonly received: number }>;
  /**
   * What has come when the client breaks off is kept.
   *
   * @throws OciError RANGE_INVALID with `{ received }` as detail when `start` is not where the session ends;
   *   SIZE_INVALID when the body is not `length` bytes; STORAGE_FULL
   */
  appendUpload(
    target: Target,
    session: UploadSession,
    source: Readable,
    options: ReceiveOptions,
  ): Promise<{ readonly received: number }>;
  /** @throws OciError as `appendUpload`, and DIGEST_INVALID, which ends the session */
  finishUpload(
    target: Target,
    session: UploadSession,
    content: { readonly digest: Digest; readonly source: Readable | undefined },
    options: ReceiveOptions,
  ): Promise<void>;
  cancelUpload(target: Target, session: UploadSession): Promise<void>;
  /** Whether the blob was linked into `target`; false where `from` does not have it. */
  mountBlob(target: Target, digest: Digest, from: Target): Promise<boolean>;
  /** The same from any repository of the projects that the caller may pull from. */
  mountBlobFromAnywhere(
    target: Target,
    digest: Digest,
    mayPull: (project: Pick<Project, 'id' | 'isPublic'>) => boolean,
  ): Promise<boolean>;
}

export interface UploadOptions {
  /** Bodies arriving at one time. */
  readonly mostUploads: number;
}

const START = /^\/v2\/(.+)\/blobs\/uploads\/?$/;
const SESSION = /^\/v2\/(.+)\/blobs\/uploads\/([^/]+)$/;

/** `/v2/<name>/blobs/uploads/`, distribution-spec v1.1.1 and its main branch (2026-07). */
export function uploadRoutes(
  uploads: Uploads,
  gate: Gate,
  { mostUploads, names }: UploadOptions & { readonly names: Names },
): Routes {
  const router: Routes = new Router<State, object>();
  const slots = createUploadSlots(mostUploads);

  router.post(START, async (ctx) => {
    const name = ctx.captures?.[0] ?? '';
    const target = await gate(ctx, { route: 'upload', name, action: 'push' });
    const mount = digestIn(ctx, 'mount');
    if (mount !== undefined && (await isMounted(ctx, target, mount, { uploads, names }))) {
      return created(ctx, target, mount);
    }
    const digest = digestIn(ctx, 'digest');
    const algorithm = algorithmIn(ctx, digest ?? mount);
    const session = { caller: ctx.state.caller.name, algorithm };
    if (digest === undefined || mount !== undefined) {
      const { id } = await uploads.startUpload(target, session);
      return accepted(ctx, target, { id, received: 0 });
    }
    await slots.hold(() => receiveAtOnce(ctx, target, digest, { uploads, ...session }));
    created(ctx, target, digest);
  });

  sessionRoutes(router, { uploads, gate, slots });
  return router;
}

async function receiveAtOnce(
  ctx: Context,
  target: Target,
  digest: Digest,
  { uploads, caller, algorithm }: { uploads: Uploads; caller: string; algorithm: DigestAlgorithm },
): Promise<void> {
  const { id } = await uploads.startUpload(target, { caller, algorithm });
  const content = { digest, source: bodyOf(ctx) };
  try {
    await uploads.finishUpload(target, { id, caller }, content, receiving(ctx, {}));
  } catch (error) {
    // The client never heard of the session and cannot go on with it.
    await uploads.cancelUpload(target, { id, caller }).catch(() => {});
    throw error;
  }
}

function sessionRoutes(
  router: Routes,
  { uploads, gate, slots }: { uploads: Uploads; gate: Gate; slots: UploadSlots },
): void {
  // A status needs no more than pull: the conformance program asks with that token, and the session is its caller's.
  router.get(SESSION, async (ctx) => {
    const { target, session } = await sessionOf(ctx, gate, 'pull');
    const { received } = await uploads.uploadStatus(target, session);
    describe(ctx, target, { id: session.id, received });
    ctx.status = 204;
  });

  router.patch(SESSION, async (ctx) => {
    const { target, session } = await sessionOf(ctx, gate, 'push');
    const chunk = receiving(ctx, chunkOf(ctx.req));
    const { received } = await sayingWhere(ctx, target, session, () =>
      slots.hold(() => uploads.appendUpload(target, session, bodyOf(ctx), chunk)),
    );
    accepted(ctx, target, { id: session.id, received });
  });

  router.put(SESSION, async (ctx) => {
    const { target, session } = await sessionOf(ctx, gate, 'push');
    const digest = digestIn(ctx, 'digest');
    if (digest === undefined) {
      throw new OciError('DIGEST_INVALID', { message: 'the parameter digest is missing' });
    }
    const content = { digest, source: hasBody(ctx) ? bodyOf(ctx) : undefined };
    const chunk = receiving(ctx, chunkOf(ctx.req));
    await sayingWhere(ctx, target, session, () =>
      slots.hold(() => uploads.finishUpload(target, session, content, chunk)),
    );
    created(ctx, target, digest);
  });

  router.delete(SESSION, async (ctx) => {
    const { target, session } = await sessionOf(ctx, gate, 'push');
    await uploads.cancelUpload(target, session);
    ctx.status = 204;
  });
}

async function sessionOf(
  ctx: Context,
  gate: Gate,
  action: 'pull' | 'push',
): Promise<{ target: Target; session: UploadSession }> {
  const [name = '', id = ''] = ctx.captures ?? [];
  const target = await gate(ctx, { route: 'upload', name, action });
  return { target, session: { id, caller: ctx.state.caller.name } };
}

/** A refused chunk's answer says where the session ends, so that the client can go on from there. */
async function sayingWhere<T>(
  ctx: Context,
  target: Target,
  session: UploadSession,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof OciError && error.code === 'RANGE_INVALID') {
      describe(ctx, target, { id: session.id, received: receivedIn(error.detail) });
    }
    throw error;
  }
}

function receivedIn(detail: unknown): number {
  if (typeof detail !== 'object' || detail === null || !('received' in detail)) return 0;
  return typeof detail.received === 'number' ? detail.received : 0;
}

/** Never fails: where a mount cannot be, the client gets a session and sends the bytes (distribution-spec v1.1.1). */
async function isMounted(
  ctx: Context,
  target: Target,
  digest: Digest,
  { uploads, names }: { uploads: Uploads; names: Names },
): Promise<boolean> {
  const { caller } = ctx.state;
  const from = queryOf(ctx, 'from');
  if (from === undefined || from === '') {
    return uploads.mountBlobFromAnywhere(target, digest, (project) =>
      may(caller, PERMISSIONS.pull, project),
    );
  }
  const source = await locate(names, ctx, { name: from, method: 'GET' }).catch((error: unknown) => {
    if (error instanceof OciError) return undefined;
    throw error;
  });
  if (source === undefined || !may(caller, PERMISSIONS.pull, source.project)) return false;
  return uploads.mountBlob(target, digest, source);
}

function receiving(ctx: Context, chunk: Chunk): ReceiveOptions {
  return { ...chunk, signal: requestSignal(ctx) };
}

/** @throws OciError DIGEST_INVALID */
function digestIn(ctx: Context, parameter: string): Digest | undefined {
  const text = queryOf(ctx, parameter);
  if (text === undefined) return undefined;
  if (!isDigest(text)) throw new OciError('DIGEST_INVALID', { detail: text });
  return text;
}

/** What the session hashes while it receives. @throws OciError DIGEST_INVALID for an algorithm unknown here */
function algorithmIn(ctx: Context, digest: Digest | undefined): DigestAlgorithm {
  const announced = queryOf(ctx, 'digest-algorithm') ?? digest?.split(':', 1)[0] ?? 'sha256';
  if (announced === 'sha256' || announced === 'sha512') return announced;
  const message = 'the algorithm is not known here; sha256 and sha512 are';
  throw new OciError('DIGEST_INVALID', { message, detail: announced });
}

interface Progress {
  readonly id: string;
  /** Bytes. */
  readonly received: number;
}

function accepted(ctx: Context, target: Target, progress: Progress): void {
  describe(ctx, target, progress);
  answerEmpty(ctx, 202);
}

function describe(ctx: Context, target: Target, { id, received }: Progress): void {
  ctx.res.setHeader('Location', pathTo(target, `blobs/uploads/${id}`));
  // Both ends count, and nothing received looks as one byte does: that is how registries have always said it.
  ctx.res.setHeader('Range', `0-${Math.max(0, received - 1)}`);
  ctx.res.setHeader('Docker-Upload-UUID', id);
}

function created(ctx: Context, target: Target, digest: Digest): void {
  ctx.res.setHeader('Location', pathTo(target, `blobs/${digest}`));
  ctx.res.setHeader('Docker-Content-Digest', digest);
  answerEmpty(ctx, 201);
}
