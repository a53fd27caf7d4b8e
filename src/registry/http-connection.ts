/** What is asked of another server, and its answer: http-client.ts sends it, and nothing else knows how. */
import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import type { CallOptions } from './peer.ts';
import type { Hop } from './redirect.ts';
import type { RequestBody } from './request-body.ts';
import type { Lane } from './slots.ts';

export type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** Aborting `signal` rejects with its reason, and ends a body that is on its way. */
export interface HttpRequest extends Hop, CallOptions {
  readonly method: Method;
  readonly lane: Lane;
  /** What may as well be left undone is tried once, and that it failed says nothing of the host. */
  readonly isOptional?: boolean | undefined;
  /** A streamed one is sent once, and not again after trouble: who gave it knows how to go on. */
  readonly body?: RequestBody | undefined;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Where it came from in the end. */
  readonly url: URL;
  /** Must be read to its end or destroyed: until then it holds a slot. Fails with the errors of `errors.ts`. */
  readonly content: Readable;
}

/** One endpoint's connections, kept alive. */
export interface HttpConnection {
  /** Resolves to any answer below 500. @throws UpstreamUnavailable, UpstreamInvalid; what a streamed body's `open` fails with */
  send(request: HttpRequest): Promise<HttpResponse>;
}
