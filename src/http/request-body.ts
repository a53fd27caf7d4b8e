import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import type { Context } from './context.ts';

// A client that is still sending sees an answer only if we go on reading: cutting at once makes its kernel drop what
// it has not read yet. More than this is not worth an error message (docs/wire-notes.md 7).
const MOST_DRAINED_BYTES = 8 * 1024 * 1024;
const MOST_DRAINING_MS = 10_000;
const LINGERING_MS = 1_000;

const bodies = new WeakMap<IncomingMessage, Readable>();

/** Whether the request has a body, empty chunked ones included. */
export function hasBody({ req }: Pick<Context, 'req'>): boolean {
  return req.headers['transfer-encoding'] !== undefined || (declaredLength(req) ?? 0) > 0;
}

/**
 * The request's body as a stream of its own, once per request. Destroying it stops the reading and no more; destroying
 * the request itself would cut the connection, and the answer with it. A client that waits for `100 Continue` is told
 * to go on when the first byte is asked for.
 */
export function bodyOf({ req, res }: Pick<Context, 'req' | 'res'>): Readable {
  const body = new RequestBody(req, () => {
    if (expectsContinue(req)) res.writeContinue();
  });
  bodies.set(req, body);
  return body;
}

/**
 * The whole body, where there is a small bound for it.
 *
 * @throws what `tooLarge` makes, as soon as more is announced or has come
 */
export async function readBody(
  ctx: Pick<Context, 'req' | 'res'>,
  most: number,
  tooLarge: () => Error,
): Promise<Buffer> {
  if ((declaredLength(ctx.req) ?? 0) > most) throw tooLarge();
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of bodyOf(ctx)) {
    if (!Buffer.isBuffer(chunk)) continue;
    size += chunk.length;
    if (size > most) throw tooLarge();
    chunks.push(chunk);
  }
  return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks, size);
}

/** Whether a refused client may go on sending more than is read away quietly behind the answer. */
export function mayFlood(ctx: Pick<Context, 'req'>): boolean {
  if (!hasBody(ctx) || ctx.req.complete) return false;
  return (
    expectsContinue(ctx.req) ||
    (declaredLength(ctx.req) ?? Number.POSITIVE_INFINITY) > MOST_DRAINED_BYTES
  );
}

/** Reads and drops what the client still sends, up to a bound, and then gives it a moment to see the answer. */
export async function drain({ req }: Pick<Context, 'req'>): Promise<void> {
  const body = bodies.get(req);
  body?.destroy();
  // It has not sent anything, and it will not: the answer is its answer to `Expect`.
  if (body === undefined && expectsContinue(req)) return;
  let drained = 0;
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, MOST_DRAINING_MS);
  req.on('data', (chunk: Buffer) => {
    drained += chunk.length;
    if (drained <= MOST_DRAINED_BYTES) return;
    // Stopped by its own full buffers, a client that was too busy sending finds the answer before the cut takes it away.
    req.pause();
    setTimeout(resolve, LINGERING_MS).unref();
  });
  for (const end of ['end', 'error', 'close']) req.once(end, () => resolve());
  req.resume();
  await promise;
  clearTimeout(timer);
}

/** Bytes; undefined where the client does not say. Neither length nor chunks mean none (RFC 9112 section 6.3). */
export function declaredLength(req: IncomingMessage): number | undefined {
  const text = req.headers['content-length'];
  if (text !== undefined) return Number(text);
  return req.headers['transfer-encoding'] === undefined ? 0 : undefined;
}

function expectsContinue(req: IncomingMessage): boolean {
  return req.headers.expect !== undefined && /100-continue/i.test(req.headers.expect);
}

class RequestBody extends Readable {
  readonly #request: IncomingMessage;
  #start: (() => void) | undefined;

  readonly #onData = (chunk: Buffer): void => {
    if (!this.push(chunk)) this.#request.pause();
  };
  readonly #onEnd = (): void => {
    this.push(null);
  };
  readonly #onClose = (): void => {
    if (!this.readableEnded && !this.#request.readableEnded) {
      this.destroy(new Error('client went away'));
    }
  };

  constructor(request: IncomingMessage, onStart: () => void) {
    super();
    this.#request = request;
    this.#start = onStart;
    // Whoever reads hears of it all the same; nobody reading is no reason to end the process.
    this.on('error', () => {});
    request.on('error', this.#onClose).on('close', this.#onClose);
  }

  override _read(): void {
    if (this.#start !== undefined) {
      this.#start();
      this.#start = undefined;
      this.#request.on('data', this.#onData).on('end', this.#onEnd);
    }
    if (this.#request.destroyed) this.#onClose();
    else if (this.#request.readableFlowing !== true) this.#goOn();
  }

  #goOn(): void {
    const { socket } = this.#request;
    // The client is given its time from here: nothing came while nobody read.
    if (socket.timeout !== undefined) socket.setTimeout(socket.timeout);
    this.#request.resume();
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.#request.off('data', this.#onData).off('end', this.#onEnd);
    this.#request.off('close', this.#onClose);
    if (!this.#request.readableEnded) this.#request.pause();
    callback(error);
  }
}
