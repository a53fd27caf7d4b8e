import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { algorithmOf, digestOf, isDigest } from '../../src/oci/digest.ts';
import type { Paced } from './upstream-behaviour.ts';
import type { UpstreamContent } from './upstream-content.ts';
import type { Answer, SeenRequest } from './upstream-exchange.ts';

export interface UploadRules {
  /** Whether it takes a blob in several requests. */
  readonly chunks?: boolean;
  /** Whether it keeps what came of a request that broke off, and the session. */
  readonly keepsParts?: boolean;
  readonly mounts?: boolean;
  readonly deletes?: boolean;
  /** `OCI-Chunk-Min-Length` */
  readonly leastChunkBytes?: number;
  /** How Location is said: a path by default. */
  readonly location?: (path: string) => string;
}

interface Session {
  readonly repository: string;
  readonly parts: Buffer[];
}

/** `/v2/<name>/blobs/uploads/`, and what is put and deleted besides. */
export class UpstreamUploads {
  rules: UploadRules = {};
  readonly #content: UpstreamContent;
  readonly #sessions = new Map<string, Session>();

  constructor(content: UpstreamContent) {
    this.#content = content;
  }

  /** Those that were opened, and neither finished nor cancelled. */
  get open(): number {
    return this.#sessions.size;
  }

  /** No session is known any more. */
  forgetAll(): void {
    this.#sessions.clear();
  }

  /** Bytes of a request that broke off, which come to all open sessions late. */
  addLate(bytes: Buffer): void {
    for (const session of this.#sessions.values()) session.parts.push(bytes);
  }

  /** Undefined where the request is none of these. */
  async answer(
    request: IncomingMessage,
    { how, seen }: { how: Paced; seen: SeenRequest },
  ): Promise<Answer | undefined> {
    const { method = 'GET', url: path = '/' } = request;
    const [, repository, id, query] =
      /^\/v2\/(.+)\/blobs\/uploads\/([^/?]*)(?:\?(.*))?$/.exec(path) ?? [];
    if (repository === undefined || id === undefined) {
      if (method === 'PUT') return this.#putManifest(path, request, { how, seen });
      return method === 'DELETE' ? this.#remove(path) : undefined;
    }
    const parameters = new URLSearchParams(query);
    if (method === 'POST') return this.#start(repository, parameters);
    const session = this.#sessions.get(id);
    if (session === undefined || session.repository !== repository) {
      return refused(404, 'BLOB_UPLOAD_UNKNOWN');
    }
    if (method === 'DELETE') {
      this.#sessions.delete(id);
      return said(204);
    }
    if (method === 'GET') return said(204, this.#place(id, session));
    return this.#add(id, session, { request, how, seen });
  }

  #start(repository: string, parameters: URLSearchParams): Answer {
    const mount = parameters.get('mount') ?? '';
    const from = parameters.get('from') ?? '';
    const bytes = isDigest(mount) ? this.#content.blobIn(from, mount) : undefined;
    if (bytes !== undefined && this.rules.mounts !== false) {
      this.#content.addBlob(repository, bytes);
      return said(201, { 'docker-content-digest': mount });
    }
    const id = randomUUID();
    const session = { repository, parts: [] };
    this.#sessions.set(id, session);
    const { leastChunkBytes } = this.rules;
    const least =
      leastChunkBytes === undefined ? {} : { 'oci-chunk-min-length': `${leastChunkBytes}` };
    return said(202, { ...this.#place(id, session), ...least });
  }

  async #add(
    id: string,
    session: Session,
    { request, how, seen }: { request: IncomingMessage; how: Paced; seen: SeenRequest },
  ): Promise<Answer> {
    const { chunks = true, keepsParts = true } = this.rules;
    const received = sizeOf(session);
    const start = /^(\d+)-\d+$/.exec(request.headers['content-range'] ?? '')?.[1];
    if (request.method === 'PATCH' && !chunks) return refused(405, 'UNSUPPORTED');
    if (start !== undefined && Number(start) !== received) {
      return { ...refused(416, 'RANGE_INVALID'), headers: this.#place(id, session) };
    }
    try {
      for await (const piece of piecesOf(request, how, seen)) session.parts.push(piece);
    } catch (error) {
      if (!keepsParts) this.#sessions.delete(id);
      throw error;
    }
    if (request.method === 'PATCH') return said(202, this.#place(id, session));
    this.#sessions.delete(id);
    const digest = new URL(request.url ?? '', 'http://x').searchParams.get('digest') ?? '';
    const bytes = Buffer.concat(session.parts);
    if (!isDigest(digest) || digestOf(bytes, algorithmOf(digest)) !== digest) {
      return refused(400, 'DIGEST_INVALID');
    }
    this.#content.addBlob(session.repository, bytes);
    return said(201, { 'docker-content-digest': digest });
  }

  #place(id: string, session: Session): Record<string, string> {
    const path = `/v2/${session.repository}/blobs/uploads/${id}?_state=a%20b%2Bc`;
    const { location = (same: string) => same } = this.rules;
    return { location: location(path), range: `0-${Math.max(0, sizeOf(session) - 1)}` };
  }

  async #putManifest(
    path: string,
    request: IncomingMessage,
    { how, seen }: { how: Paced; seen: SeenRequest },
  ): Promise<Answer | undefined> {
    const [, repository, reference] = /^\/v2\/(.+)\/manifests\/([^/?]+)$/.exec(path) ?? [];
    if (repository === undefined || reference === undefined) return undefined;
    const bytes = Buffer.concat(await Array.fromAsync(piecesOf(request, how, seen)));
    const tag = isDigest(reference) ? {} : { tag: reference };
    const mediaType = request.headers['content-type'] ?? '';
    const { digest } = this.#content.addManifest(repository, bytes, { ...tag, mediaType });
    return said(201, { 'docker-content-digest': digest });
  }

  #remove(path: string): Answer | undefined {
    const [, repository, reference] = /^\/v2\/(.+)\/manifests\/([^/?]+)$/.exec(path) ?? [];
    if (repository === undefined || reference === undefined) return undefined;
    if (this.rules.deletes === false) return refused(405, 'UNSUPPORTED');
    if (this.#content.lookUp(path, undefined).status !== 200) {
      return refused(404, 'MANIFEST_UNKNOWN');
    }
    this.#content.remove(repository, reference);
    return said(202);
  }
}

/** What comes of a request's body, as far as `how` lets it. */
async function* piecesOf(
  request: IncomingMessage,
  how: Paced,
  seen: SeenRequest,
): AsyncGenerator<Buffer> {
  const most = how.resetBodyAfter ?? how.ignoreBodyAfter ?? Number.POSITIVE_INFINITY;
  const arriving: AsyncIterable<Buffer> = request;
  for await (const chunk of arriving) {
    const piece = chunk.subarray(0, Math.max(0, most - seen.receivedBytes));
    seen.receivedBytes += piece.length;
    if (piece.length > 0) yield piece;
    await how.pace?.(piece.length);
    if (seen.receivedBytes < most) continue;
    if (how.ignoreBodyAfter !== undefined) await new Promise(() => {});
    request.socket.resetAndDestroy();
    throw new Error('reset as told');
  }
}

function sizeOf({ parts }: Session): number {
  return parts.reduce((sum, { length }) => sum + length, 0);
}

function said(status: number, headers: Record<string, string> = {}): Answer {
  return { status, headers, body: Buffer.alloc(0) };
}

function refused(status: number, code: string): Answer {
  const body = Buffer.from(JSON.stringify({ errors: [{ code }] }));
  return { status, headers: { 'content-type': 'application/json' }, body };
}
