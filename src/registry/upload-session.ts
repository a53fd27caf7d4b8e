/**
 * An upload as its registry keeps it (distribution-spec v1.1.1 "Pushing Blobs", docs/wire-notes.md 9): opened, told how
 * far it is, added to, finished, cancelled. Registries answer 200, 201, 202 and 204 where the specification has one of them.
 */
import type { Digest } from '../oci/digest.ts';
import { OCTET_STREAM } from '../oci/media-type.ts';
import { MOST_ERROR_BYTES } from './error-answer.ts';
import { UpstreamInvalid } from './errors.ts';
import type { LeftUpload } from './left-uploads.ts';
import type { CallOptions } from './peer.ts';
import type { Call, WholeAnswer } from './registry-client.ts';
import { type RepositoryCalls, writeRefusal } from './repository-calls.ts';
import type { StreamedBody } from './request-body.ts';

/** Long enough for a registry that is well: nobody waits for what is left behind. */
const CANCEL_MS = 5_000;

/** The registry does not know the session any more, or not as we do. */
export class SessionLost extends Error {
  override readonly name = 'SessionLost';
}

export interface SessionPlace {
  readonly at: RepositoryCalls;
  readonly repository: string;
  /** For errors, and where a Location that lacks it means to lead. */
  readonly base: URL;
}

export class UploadSession {
  /** Chunks but the last have at least so many bytes; 0 where the registry does not say. */
  readonly leastChunkBytes: number;
  readonly #place: SessionPlace;
  #url: URL;

  /** One that was opened before. */
  constructor(place: SessionPlace, { url, leastChunkBytes }: LeftUpload) {
    this.#place = place;
    this.#url = new URL(url);
    this.leastChunkBytes = leastChunkBytes;
  }

  /** end-4a. @throws OciError NAME_UNKNOWN, UNSUPPORTED; UpstreamRefused */
  static async open(place: SessionPlace, options: CallOptions): Promise<UploadSession> {
    const { at, repository } = place;
    const call = at.to(repository, 'blobs/uploads/', {
      ...options,
      method: 'POST',
      actions: 'pull,push',
    });
    const answer = await at.calls.read(call, MOST_ERROR_BYTES);
    if (!isGood(answer)) throw writeRefusal(call, answer, 'NAME_UNKNOWN');
    return UploadSession.in(place, answer);
  }

  /** The one that the answer speaks of. @throws UpstreamInvalid */
  static in(place: SessionPlace, { headers, url }: WholeAnswer): UploadSession {
    return new UploadSession(place, {
      url: locationIn(headers.location, url, place.base).href,
      leastChunkBytes: countIn(headers['oci-chunk-min-length']) ?? 0,
    });
  }

  /** What the constructor takes. */
  get left(): LeftUpload {
    return { url: this.#url.href, leastChunkBytes: this.leastChunkBytes };
  }

  /** end-13: bytes that the registry has; undefined where it does not know the session, or does not say. */
  async received(options: CallOptions): Promise<number | undefined> {
    const call = this.#call(this.#url, { ...options, method: 'GET' });
    const answer = await this.#place.at.calls.read(call, MOST_ERROR_BYTES);
    const last = /^(?:bytes=)?0-(\d{1,15})$/.exec(answer.headers.range ?? '')?.[1];
    if (!isGood(answer) || last === undefined) return undefined;
    this.#move(answer);
    // What is said of none, and of one byte.
    return last === '0' ? 0 : Number(last) + 1;
  }

  /** end-5: adds what comes at `start`. @throws SessionLost, UpstreamRefused */
  async append(start: number, body: StreamedBody, options: CallOptions): Promise<void> {
    const headers = {
      'content-type': OCTET_STREAM,
      'content-range': `${start}-${start + body.size - 1}`,
    };
    const sending = { ...options, method: 'PATCH', lane: 'push', headers, body } as const;
    const answer = await this.#send(this.#call(this.#url, sending));
    this.#move(answer);
  }

  /** end-6, with all of the blob, or with nothing where it was added before. @throws SessionLost, UpstreamRefused, UpstreamInvalid */
  async finish(
    digest: Digest,
    body: StreamedBody | undefined,
    options: CallOptions,
  ): Promise<void> {
    const url = new URL(this.#url);
    // Not by `searchParams`: what the registry wrote there stays as it is.
    url.search += `${url.search === '' ? '?' : '&'}digest=${encodeURIComponent(digest)}`;
    const headers = { 'content-type': OCTET_STREAM };
    const sending = { ...options, method: 'PUT', lane: 'push', headers, body } as const;
    const { headers: said } = await this.#send(this.#call(url, sending));
    assertSame(said['docker-content-digest'], digest, this.#place.base.host);
  }

  /** end-14. Tried once, and never rejects: a session that is left expires. No failure of it opens a circuit. */
  async cancel(): Promise<void> {
    const signal = AbortSignal.timeout(CANCEL_MS);
    const call = this.#call(this.#url, { signal, method: 'DELETE', isOptional: true });
    await this.#place.at.calls.read(call, MOST_ERROR_BYTES).catch(() => {});
  }

  #call(url: URL, options: Parameters<RepositoryCalls['at']>[2]): Call {
    const { at, repository } = this.#place;
    return at.at(repository, url, { ...options, actions: 'pull,push' });
  }

  async #send(call: Call): Promise<WholeAnswer> {
    const answer = await this.#place.at.calls.read(call, MOST_ERROR_BYTES);
    if (isGood(answer)) return answer;
    if (answer.status === 404 || answer.status === 410 || answer.status === 416) {
      throw new SessionLost(`${answer.status} to ${call.method} of an upload`);
    }
    throw writeRefusal(call, answer, 'BLOB_UPLOAD_UNKNOWN');
  }

  #move({ headers, url }: WholeAnswer): void {
    if (headers.location !== undefined) {
      this.#url = locationIn(headers.location, url, this.#place.base);
    }
  }
}

/** @throws UpstreamInvalid where the registry says another digest of the same algorithm */
export function assertSame(
  said: string | string[] | undefined,
  digest: Digest,
  host: string,
): void {
  const algorithm = digest.slice(0, digest.indexOf(':') + 1);
  if (typeof said !== 'string' || !said.startsWith(algorithm) || said === digest) return;
  throw new UpstreamInvalid(host, `it keeps ${digest} as ${said.slice(0, 200)}`);
}

function isGood({ status }: WholeAnswer): boolean {
  return status === 200 || status === 201 || status === 202 || status === 204;
}

function countIn(header: string | string[] | undefined): number | undefined {
  return typeof header === 'string' && /^\d{1,15}$/.test(header) ? Number(header) : undefined;
}

/**
 * Where the session is. Relative to what was asked, or on another host. Registries behind a proxy that ends TLS often say
 * `http` of themselves: that is not followed, but understood.
 *
 * @throws UpstreamInvalid
 */
function locationIn(location: string | undefined, asked: URL, base: URL): URL {
  if (location === undefined || !URL.canParse(location, asked)) {
    throw new UpstreamInvalid(base.host, 'an upload without a Location');
  }
  const url = new URL(location, asked);
  url.username = '';
  url.password = '';
  url.hash = '';
  if (url.protocol === 'http:' && base.protocol === 'https:') {
    if (url.hostname !== base.hostname) {
      throw new UpstreamInvalid(base.host, `an upload that leads from https to http (${url.host})`);
    }
    url.protocol = base.protocol;
    url.port = base.port;
  }
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    throw new UpstreamInvalid(base.host, `an upload at ${url.protocol}`);
  }
  return url;
}
