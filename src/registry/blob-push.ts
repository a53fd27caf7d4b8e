/**
 * A blob on its way to a registry. In one piece at first, which is a round trip less and works everywhere; when that
 * breaks off, in chunks from where the registry says that it is.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { OciError } from '../oci/error.ts';
import { BlobSource } from './blob-source.ts';
import { UpstreamRefused, UpstreamThrottled, UpstreamUnavailable } from './errors.ts';
import { keyOf, type LeftUploads, type UploadName } from './left-uploads.ts';
import type { CallOptions, OpenBlob, PushedBlob } from './peer.ts';
import { SessionLost, type SessionPlace, UploadSession } from './upload-session.ts';

/** What a registry makes of uploads beyond the one request that all of them take. */
export interface UploadAbilities {
  /** Whether it takes a blob in several requests, and tells how far it is. */
  readonly chunks: boolean;
  /** The most bytes of one of them. */
  readonly mostChunkBytes?: number;
}

export interface BlobPushOptions extends CallOptions {
  readonly sent?: ((bytes: number) => void) | undefined;
  readonly abilities: UploadAbilities;
  readonly left: LeftUploads;
  /** Pushes that run now, by {@link keyOf}: what one of them has opened is nothing that was left. */
  readonly underWay: Set<string>;
  /** Whether the registry has the blob: asked where a session ended without an answer. */
  readonly isThere: () => Promise<boolean>;
}

/** Smaller ones than this are not worth their round trips, and proxies that refuse even this are not for registries. */
const LEAST_CHUNK_BYTES = 2 ** 20;
/** How much smaller chunks become after one was too large. */
const SHRINK = 4;

/** See {@link WritablePeer.pushBlob}. */
export async function pushBlob(
  place: SessionPlace,
  blob: PushedBlob,
  open: OpenBlob,
  options: BlobPushOptions,
): Promise<void> {
  const { abilities, underWay } = options;
  const key = keyOf(nameOf(place, blob));
  const isAlone = !underWay.has(key);
  underWay.add(key);
  using source = new BlobSource(open, options);
  // What cannot be gone on with is not left.
  const left = isAlone && abilities.chunks ? options.left : undefined;
  const push = new BlobPush(place, blob, source, { ...options, left });
  try {
    await push.run();
  } finally {
    if (isAlone) underWay.delete(key);
  }
}

function nameOf({ base, repository }: SessionPlace, { digest }: PushedBlob): UploadName {
  return { registry: base.href, repository, digest };
}

interface RunOptions extends Omit<BlobPushOptions, 'left'> {
  readonly left: LeftUploads | undefined;
}

class BlobPush {
  readonly #place: SessionPlace;
  readonly #blob: PushedBlob;
  readonly #source: BlobSource;
  readonly #options: RunOptions;
  #session: UploadSession | undefined;
  #received = 0;
  /** Undefined while the blob goes in one piece. */
  #chunkBytes: number | undefined;
  /** Whether the session has bytes of a request that broke off: some of them may have come late, and count twice. */
  #isResumed = false;
  /** In a row, without a byte that was kept. */
  #breaks = 0;
  /** Whether the session is among those that are left. */
  #isKept = false;

  constructor(place: SessionPlace, blob: PushedBlob, source: BlobSource, options: RunOptions) {
    this.#place = place;
    this.#blob = blob;
    this.#source = source;
    this.#options = options;
  }

  async run(): Promise<void> {
    const found = await this.#options.left?.find(nameOf(this.#place, this.#blob));
    if (found !== undefined) this.#session = new UploadSession(this.#place, found);
    this.#isKept = found !== undefined;
    try {
      await this.#tryOn();
    } catch (error) {
      // Why it failed is what is told, whatever becomes of the rest.
      await (this.#isLeftAfter(error) ? this.#keep() : this.#drop()).catch(() => {});
      throw error;
    }
    await this.#drop();
  }

  async #tryOn(): Promise<void> {
    let attempt = () => (this.#session === undefined ? this.#send() : this.#takeUp());
    for (;;) {
      try {
        await attempt();
        return;
      } catch (error) {
        if (await this.#isDoneAfter(error)) return;
      }
      attempt = () => this.#send();
    }
  }

  /** Goes on with what an earlier push left, as far as it came. */
  async #takeUp(): Promise<void> {
    const received = await this.#session?.received(this.#options);
    if (received !== undefined) {
      this.#received = received;
      this.#isResumed = true;
      this.#chunkBytes = this.#largestChunk;
    } else if (await this.#isDoneWithoutSession()) return;
    await this.#send();
  }

  async #send(): Promise<void> {
    const { digest, size } = this.#blob;
    const session = this.#session ?? (await this.#opened());
    if (this.#chunkBytes === undefined) {
      return session.finish(digest, this.#source.part(0, size), this.#options);
    }
    while (this.#received < size) {
      const chunkBytes = Math.max(this.#chunkBytes, session.leastChunkBytes);
      const end = Math.min(size, this.#received + chunkBytes);
      const part = this.#source.part(this.#received, end);
      await session.append(this.#received, part, this.#options);
      this.#received = end;
      this.#breaks = 0;
    }
    return session.finish(digest, undefined, this.#options);
  }

  async #opened(): Promise<UploadSession> {
    const session = await UploadSession.open(this.#place, this.#options);
    this.#session = session;
    // This process may be killed meanwhile: what that costs is worth a row.
    if (this.#isLarge) await this.#keep();
    return session;
  }

  get #isLarge(): boolean {
    return this.#blob.size > this.#place.at.calls.limits.chunkBytes;
  }

  async #keep(): Promise<void> {
    const { left } = this.#options;
    if (left === undefined || this.#session === undefined) return;
    await left.keep(nameOf(this.#place, this.#blob), this.#session.left);
    this.#isKept = true;
  }

  async #drop(): Promise<void> {
    if (this.#isKept) await this.#options.left?.forget(nameOf(this.#place, this.#blob));
    this.#isKept = false;
  }

  /** Whether the next push of the blob goes on from there: who was told to stop may be told to go on. */
  #isLeftAfter(error: unknown): boolean {
    if (this.#options.left === undefined || this.#session === undefined) return false;
    return isPassing(error) || (this.#options.signal.aborted && this.#isLarge);
  }

  /** Whether the blob arrived all the same; false where another attempt is worth it. @throws the error where none is */
  async #isDoneAfter(error: unknown): Promise<boolean> {
    if (this.#options.signal.aborted || !this.#mayGoOnAfter(error)) {
      // Not waited for: who gave up, or whose registry is wrong, has nothing to gain from it.
      if (!isPassing(error) && !this.#isLeftAfter(error)) void this.#session?.cancel();
      this.#options.signal.throwIfAborted();
      throw error;
    }
    if (!isTooLarge(error)) await this.#rest(error);
    if (isOtherContent(error)) return this.#isDoneWithoutSession();
    const received = await this.#session?.received(this.#options);
    if (received === undefined) return this.#isDoneWithoutSession();
    if (received > this.#received) this.#breaks = 0;
    this.#received = received;
    this.#isResumed = true;
    if (this.#options.abilities.chunks) {
      this.#chunkBytes ??= this.#largestChunk;
    } else if (received > 0) {
      await this.#session?.cancel();
      this.#forget();
    }
    return false;
  }

  #mayGoOnAfter(error: unknown): boolean {
    if (isTooLarge(error)) return this.#hasSmallerChunks();
    if (error instanceof SessionLost) return true;
    if (isOtherContent(error)) return this.#isResumed;
    if (!(error instanceof UpstreamUnavailable) || this.#session === undefined) return false;
    // What was not asked did not break.
    return error.reason !== 'circuit-open' && error.reason !== 'busy';
  }

  /** Something on the way takes no body of that size. */
  #hasSmallerChunks(): boolean {
    if (!this.#options.abilities.chunks) return false;
    const last = this.#chunkBytes;
    let next = last === undefined ? this.#largestChunk : last / SHRINK;
    // A chunk that is all of it is what was refused.
    while (next >= this.#blob.size) next /= SHRINK;
    if (next < LEAST_CHUNK_BYTES) return false;
    this.#chunkBytes = next;
    return true;
  }

  get #largestChunk(): number {
    const { mostChunkBytes = Number.POSITIVE_INFINITY } = this.#options.abilities;
    return Math.min(this.#place.at.calls.limits.chunkBytes, mostChunkBytes);
  }

  /** @throws the error where it came once too often */
  async #rest(error: unknown): Promise<void> {
    const { calls } = this.#place.at;
    this.#breaks += 1;
    if (this.#breaks >= calls.limits.attempts) throw this.#named(error);
    const { signal } = this.#options;
    try {
      await delay(calls.pauseMs(this.#breaks), undefined, { signal });
    } catch {
      signal.throwIfAborted();
    }
  }

  async #isDoneWithoutSession(): Promise<boolean> {
    this.#forget();
    // The answer may be all that was lost.
    return this.#options.isThere();
  }

  #forget(): void {
    this.#session = undefined;
    this.#received = 0;
    this.#isResumed = false;
  }

  /** A session that is lost every time is the registry's trouble. */
  #named(error: unknown): unknown {
    if (!(error instanceof SessionLost)) return error;
    const message = `it forgets its uploads: ${error.message}`;
    return new OciError('BLOB_UPLOAD_UNKNOWN', { message, cause: error });
  }
}

/** Whether the registry may be as well as ever when it is asked again. */
function isPassing(error: unknown): boolean {
  return error instanceof UpstreamUnavailable || error instanceof UpstreamThrottled;
}

function isTooLarge(error: unknown): boolean {
  return error instanceof UpstreamRefused && error.status === 413;
}

function isOtherContent(error: unknown): boolean {
  return error instanceof UpstreamRefused && error.code === 'DIGEST_INVALID';
}
