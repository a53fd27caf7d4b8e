import { Router } from '@koa/router';
import type { Digest } from '../../oci/digest.ts';
import { OciError } from '../../oci/error.ts';
import { isTag, parseReference, type Reference } from '../../oci/reference.ts';
import { etagOf, isNotModified } from '../conditional.ts';
import type { Context, Routes, State } from '../context.ts';
import { answerEmpty } from '../empty-answer.ts';
import { pathTo } from '../links.ts';
import { queryListOf } from '../query.ts';
import { readBody } from '../request-body.ts';
import { RequestError } from '../request-error.ts';
import { requestSignal } from '../request-signal.ts';
import type { Gate, Target } from '../target.ts';

/** Who does it, as the audit tells it. */
export interface Actor {
  /** Of the caller. */
  readonly name: string;
  /** The client's. */
  readonly address: string;
}

export interface ManifestHead {
  /** What the tag points to, or the digest that was asked for. */
  readonly digest: Digest;
  readonly mediaType: string;
  /** Bytes. */
  readonly size: number;
  /** Why the answer may not be the newest, for people. */
  readonly warning?: string | undefined;
}

export interface ServedManifest extends ManifestHead {
  readonly bytes: Buffer;
}

export interface PushedManifest {
  /** Exactly as they came. */
  readonly bytes: Buffer;
  readonly contentType: string | undefined;
  readonly reference: Reference;
  /** More tags to put on it; only with a digest as reference. */
  readonly tags: readonly string[];
  readonly actor: Actor;
}

export interface StoredManifest {
  readonly digest: Digest;
  readonly subject?: Digest | undefined;
  /** The additional tags that were put on it. */
  readonly tags: readonly string[];
}

interface ReadOptions {
  readonly signal: AbortSignal;
  readonly actor: Actor;
  /** Whether another node reads it to copy it: that is no use of it. */
  readonly isReplication: boolean;
}

/** What these routes need of the node. */
export interface Manifests {
  /** @throws OciError MANIFEST_UNKNOWN, NAME_UNKNOWN, and those of an upstream */
  manifest(target: Target, reference: Reference, options: ReadOptions): Promise<ServedManifest>;
  /** Downloads nothing that it can do without. @throws as `manifest` */
  headManifest(
    target: Target,
    reference: Reference,
    options: { signal: AbortSignal },
  ): Promise<ManifestHead>;
  /**
   * Aborting gives up where others have to take it first.
   *
   * @throws OciError MANIFEST_INVALID, DIGEST_INVALID, MANIFEST_BLOB_UNKNOWN, STORAGE_FULL; UPSTREAM_UNAVAILABLE and
   *   UPSTREAM_TIMEOUT where others have to take it first and do not
   */
  putManifest(
    target: Target,
    pushed: PushedManifest,
    options: { signal: AbortSignal },
  ): Promise<StoredManifest>;
  /** A tag alone, or a manifest with all tags on it. @throws OciError MANIFEST_UNKNOWN, NAME_UNKNOWN */
  removeManifest(target: Target, reference: Reference, actor: Actor): Promise<void>;
}

export interface ManifestOptions {
  /** Bytes. */
  readonly largestManifest: number;
}

const PATH = /^\/v2\/(.+)\/manifests\/([^/]+)$/;

// The main branch asks for ten at least and for 414 beyond the limit (2026-04, end-7b).
const MOST_TAGS = 100;

/** `/v2/<name>/manifests/<reference>`, distribution-spec v1.1.1 and its main branch (2026-07). */
export function manifestRoutes(
  manifests: Manifests,
  gate: Gate,
  { largestManifest }: ManifestOptions,
): Routes {
  const router: Routes = new Router<State, object>();

  // end-3
  router.get(PATH, async (ctx) => {
    const { name, text } = parts(ctx.captures);
    const target = await gate(ctx, { route: 'manifest', name, action: 'pull' });
    const reference = parseReference(text);
    const signal = requestSignal(ctx);
    if (ctx.method === 'HEAD') {
      describe(ctx, await manifests.headManifest(target, reference, { signal }));
      return;
    }
    // Anybody may say so: it hides a pull from statistics, and not from the audit log.
    const isReplication = ctx.req.headers['portolan-replication'] === 'true';
    const options = { signal, actor: actorOf(ctx), isReplication };
    const manifest = await manifests.manifest(target, reference, options);
    if (describe(ctx, manifest)) ctx.body = manifest.bytes;
  });

  // end-7a, end-7b
  router.put(PATH, async (ctx) => {
    const { name, text } = parts(ctx.captures);
    const target = await gate(ctx, { route: 'manifest', name, action: 'push' });
    const reference = parseReference(text);
    const tags = reference.kind === 'digest' ? tagsOf(ctx) : [];
    const bytes = await readBody(ctx, largestManifest, () => {
      return new OciError('MANIFEST_TOO_LARGE', { detail: { limit: largestManifest } });
    });
    const contentType = ctx.req.headers['content-type'];
    const actor = actorOf(ctx);
    const pushed = { bytes, contentType, reference, tags, actor };
    const stored = await manifests.putManifest(target, pushed, { signal: requestSignal(ctx) });
    created(ctx, target, stored);
  });

  // end-9
  router.delete(PATH, async (ctx) => {
    const { name, text } = parts(ctx.captures);
    const target = await gate(ctx, { route: 'manifest', name, action: 'delete' });
    await manifests.removeManifest(target, parseReference(text), actorOf(ctx));
    answerEmpty(ctx, 202);
  });

  return router;
}

function actorOf({ state: { caller, origin } }: Context): Actor {
  return { name: caller.name, address: origin.address };
}

function parts(captures: readonly string[] | undefined): { name: string; text: string } {
  const [name = '', text = ''] = captures ?? [];
  return { name, text };
}

/** @returns whether the client needs the content too */
function describe(ctx: Context, { digest, mediaType, size, warning }: ManifestHead): boolean {
  const { res } = ctx;
  res.setHeader('Docker-Content-Digest', digest);
  res.setHeader('ETag', etagOf(digest));
  if (warning !== undefined) res.setHeader('Warning', warningOf(warning));
  if (isNotModified(ctx, digest)) {
    ctx.status = 304;
    return false;
  }
  ctx.status = 200;
  // Set here and not by koa, which would add a charset; clients compare it with the manifest's own `mediaType`.
  res.setHeader('Content-Type', mediaType);
  res.setHeader('Content-Length', size);
  // The type is the pusher's: whatever it is, it is no page of this site.
  if (!mediaType.startsWith('application/')) res.setHeader('Content-Security-Policy', 'sandbox');
  return true;
}

/** Clients look for exactly this form, without escapes (distribution-spec v1.1.1 "Warnings"). */
function warningOf(text: string): string {
  return `299 - "${text
    .replaceAll(/["\\]/g, "'")
    .replaceAll(/[^ -~]/g, ' ')
    .slice(0, 1024)}"`;
}

/** @throws OciError TAG_INVALID; RequestError 414 */
function tagsOf(ctx: Context): readonly string[] {
  const tags = [...new Set(queryListOf(ctx, 'tag'))];
  if (tags.length > MOST_TAGS) {
    throw new RequestError(414, 'UNSUPPORTED', { message: `more than ${MOST_TAGS} tags` });
  }
  for (const tag of tags) if (!isTag(tag)) throw new OciError('TAG_INVALID', { detail: tag });
  return tags;
}

function created(ctx: Context, target: Target, { digest, subject, tags }: StoredManifest): void {
  const { res } = ctx;
  res.setHeader('Location', pathTo(target, `manifests/${digest}`));
  res.setHeader('Docker-Content-Digest', digest);
  if (subject !== undefined) res.setHeader('OCI-Subject', subject);
  if (tags.length > 0) res.setHeader('OCI-Tag', tags.join(', '));
  answerEmpty(ctx, 201);
}
