import type { Writable } from 'node:stream';
import { ContentCutShort } from './errors.ts';

/** Bytes that are opened when they are sent, so that nothing of them waits in memory. */
export interface StreamedBody {
  /** Bytes: it gives no more, and fewer are an error. */
  readonly size: number;
  /** Opened once more where a request is sent once more. `signal` is aborted when nobody takes more of it. */
  open(options: { readonly signal: AbortSignal }): Promise<AsyncIterable<Uint8Array>>;
  /** Told of bytes that left. */
  sent?(bytes: number): void;
}

/** Small ones are given as they are, and may be sent as often as it takes. */
export type RequestBody = Uint8Array | StreamedBody;

/** What was to be sent could not be had: no fault of who should have got it. The reason is its `cause`. */
export class BodyFailed extends Error {
  override readonly name = 'BodyFailed';
}

export function isStreamed(body: RequestBody | undefined): body is StreamedBody {
  return body !== undefined && !(body instanceof Uint8Array);
}

/** `Content-Length` of a request that may have a body, and undefined for one that may not. */
export function lengthOf(method: string, body: RequestBody | undefined): number | undefined {
  if (body !== undefined) return body instanceof Uint8Array ? body.length : body.size;
  return method === 'POST' || method === 'PUT' || method === 'PATCH' ? 0 : undefined;
}

/** A body on its way out. */
export class Sending {
  readonly #enough = new AbortController();
  readonly #body: StreamedBody;
  #sentBytes = 0;
  #isWaitingForContent = true;

  constructor(body: StreamedBody) {
    this.#body = body;
  }

  get sentBytes(): number {
    return this.#sentBytes;
  }

  /** Whether there is nothing to send for now: then it is not the peer who is slow. */
  get isWaitingForContent(): boolean {
    return this.#isWaitingForContent;
  }

  /** Nobody takes more. */
  stop(): void {
    this.#enough.abort();
  }

  /** Opens what is to be sent. @throws BodyFailed */
  async open(): Promise<AsyncIterable<Uint8Array>> {
    const { signal } = this.#enough;
    try {
      return await this.#body.open({ signal });
    } catch (cause) {
      throw new BodyFailed('what was to be sent could not be opened', { cause });
    }
  }

  /** Sends it all and ends `to`; resolves early when it was stopped. @throws BodyFailed; what `to` fails with */
  async send(content: AsyncIterable<Uint8Array>, to: Writable): Promise<void> {
    const { signal } = this.#enough;
    const { size } = this.#body;
    for await (const chunk of readable(content, signal)) {
      if (signal.aborted) return;
      this.#isWaitingForContent = false;
      await written(to, chunk, signal);
      if (signal.aborted) return;
      this.#isWaitingForContent = true;
      this.#sentBytes += chunk.length;
      this.#body.sent?.(chunk.length);
    }
    if (signal.aborted) return;
    if (this.#sentBytes < size) {
      const cause = new ContentCutShort(this.#sentBytes, size);
      throw new BodyFailed(cause.message, { cause });
    }
    to.end();
  }
}

async function* readable(
  content: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  try {
    yield* content;
  } catch (cause) {
    // Ended because nobody wanted more of it.
    if (signal.aborted) return;
    throw new BodyFailed('what was to be sent could not be read', { cause });
  }
}

/** Resolves when the piece has left, or when nobody takes more. */
function written(to: Writable, chunk: Uint8Array, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stopped = (): void => resolve();
    signal.addEventListener('abort', stopped, { once: true });
    to.write(chunk, (error) => {
      signal.removeEventListener('abort', stopped);
      if (error == null) resolve();
      else reject(error);
    });
  });
}
