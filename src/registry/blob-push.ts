/**
 * A blob on its way to a registry. In one piece at first, which is a round trip less and works everywhere; when that
 * breaks off, in chunks from where the registry says that it is.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { OciError } from '../oci/error.ts';
import { BlobSource } from './blob-source.ts';
import { UpstreamRefused, UpstreamThrottled, UpstreamUnavailable } from './errors.ts';
import { KeptUpload } from './kept-upload.ts';
import { keyOf, type UploadName, type Uploads } from './left-uploads.ts';
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
  readonly uploads: Uploads;
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
  const { abilities, uploads } = options;
  const { underWay } = uploads;
  const key = keyOf(nameOf(place, blob));
  const isAlone = !underWay.has(key);
  underWay.add(key);
  using source = new BlobSource(open, options);
  // What cannot be gone on with is not left.
  const left = isAlone && abilities.chunks ? uploads.left : undefined;
  const kept = new KeptUpload(left, nameOf(place, blob));
  const push = new BlobPush(place, blob, source, { ...options, kept });
  try {
    await push.run();
  } finally {
    if (isAlone) underWay.delete(key);
  }
}

function nameOf({ at, base, repository }: SessionPlace, { digest }: PushedBlob): UploadName {
  return { registry: base.href, repository: at.nameOf(repository), digest };
}

interface RunOptions extends Omit<BlobPushOptions, 'uploads'> {
  readonly kept: KeptUpload;
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

  constructor(place: SessionPlace, blob: PushedBlob, source: BlobSource, options: RunOptions) {
    this.#place = place;
    this.#blob = blob;
    this.#source = source;
    this.#options = options;
  }

  async run(): Promise<void> {
    const { kept } = this.#options;
    const found = await kept.find();
    if (found !== undefined) this.#session = new UploadSession(this.#place, found);
    try {
      await this.#tryOn();
    } catch (error) {
      if (this.#session === undefined || !this.#isLeftAfter(error)) await kept.drop();
      else await kept.keep(this.#session.left);
      throw error;
    }
    await kept.drop();
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
    const received = await this.#receivedBefore();
    if (received !== undefined) {
      this.#received = received;
      this.#isResumed = true;
      this.#chunkBytes = this.#largestChunk;
    } else if (await this.#isDoneWithoutSession()) return;
    await this.#send();
  }

  /** Undefined where the session is lost, in whatever way. @throws what is wrong with the registry, where that is it */
  async #receivedBefore(): Promise<number | undefined> {
    const { signal, isThere } = this.#options;
    try {
      return await this.#session?.received(this.#options);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof UpstreamThrottled) throw error;
      await isThere();
      return undefined;
    }
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
      await this.#options.kept.moved(session.left);
    }
    return session.finish(digest, undefined, this.#options);
  }

  async #opened(): Promise<UploadSession> {
    const session = await UploadSession.open(this.#place, this.#options);
    this.#session = session;
    // This process may be killed meanwhile: what that costs is worth a row.
    if (this.#isLarge) await this.#options.kept.keep(session.left);
    return session;
  }

  get #isLarge(): boolean {
    return this.#blob.size > this.#place.at.calls.limits.chunkBytes;
  }

  /** Whether the next push of the blob goes on from there: who was told to stop may be told to go on. */
  #isLeftAfter(error: unknown): boolean {
    if (!this.#options.kept.mayKeep || this.#session === undefined) return false;
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
    await this.#options.kept.drop();
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
