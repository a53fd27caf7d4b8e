/** Answers that go on: server-sent events, as the HTML standard has them (section 9.2), over HTTP/1.1. */
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { OciError } from '../../oci/error.ts';
import { ManagementError } from '../../oci/management-error.ts';
import type { Context } from '../context.ts';
import { requestSignal } from '../request-signal.ts';

export interface ServerEvent {
  /** What a client that comes back says it has seen. */
  readonly id: string;
  readonly event: string;
  readonly data: unknown;
}

/** Some at a time; an empty batch is a look that found nothing. Ends when there is nothing more to come. */
export type ServerEvents = AsyncIterable<readonly ServerEvent[]>;

/** Each has a connection and asks the database once a second. */
const MOST_STREAMS = 100;
/** Proxies drop what is silent for a minute. */
const HEARTBEAT_MS = 15_000;
/** A client that does not read for so long is not there any more. */
const SLOWEST_MS = 10_000;
/** Who lost the right to them gets no more after that. */
const ASKED_AGAIN_MS = 60_000;
const RETRY_AFTER_SECONDS = 10;

type Answering = Pick<Context, 'req' | 'res' | 'respond' | 'status'>;

export interface StreamLimits {
  readonly most: number;
  readonly heartbeatMs: number;
  readonly slowestMs: number;
  readonly askedAgainMs: number;
}

export const STREAM_LIMITS: StreamLimits = {
  most: MOST_STREAMS,
  heartbeatMs: HEARTBEAT_MS,
  slowestMs: SLOWEST_MS,
  askedAgainMs: ASKED_AGAIN_MS,
};

/** The streams of one router. */
export class EventStreams {
  readonly #limits: StreamLimits;
  #open = 0;

  constructor(limits: StreamLimits) {
    this.#limits = limits;
  }

  /**
   * Resolves once all is sent, the client has left, reads too slowly or may it no more, or the server is closing. What is behind the events hears of it by
   * the end of its iteration.
   *
   * @param mayStill rejects with a ManagementError or an OciError once the client may not
   * @throws OciError TOOMANYREQUESTS before anything is sent
   */
  async send(ctx: Answering, events: ServerEvents, mayStill: MayStill): Promise<void> {
    if (this.#open >= this.#limits.most) {
      const message = `${this.#open} streams are open`;
      throw new OciError('TOOMANYREQUESTS', { message, retryAfterSeconds: RETRY_AFTER_SECONDS });
    }
    this.#open += 1;
    try {
      await this.#stream(ctx, this.#whileAllowed(events, mayStill));
    } finally {
      this.#open -= 1;
    }
  }

  async *#whileAllowed(events: ServerEvents, mayStill: MayStill): ServerEvents {
    let askedAt = performance.now();
    for await (const batch of events) {
      if (performance.now() - askedAt >= this.#limits.askedAgainMs) {
        if (!(await isAllowed(mayStill))) return;
        askedAt = performance.now();
      }
      yield batch;
    }
  }

  async #stream(ctx: Answering, events: ServerEvents): Promise<void> {
    const { res } = ctx;
    const signal = requestSignal(ctx);
    begin(ctx);
    const isKept = res.shouldKeepAlive;
    const heart = setInterval(() => {
      // A comment, which clients drop.
      if (!res.writableNeedDrain) res.write(':\n\n');
    }, this.#limits.heartbeatMs).unref();
    try {
      for await (const batch of events) {
        if (batch.length > 0) await this.#write(res, batch.map(textOf).join(''), signal);
        if (isKept && !res.shouldKeepAlive) break;
      }
      res.end();
    } catch (error) {
      res.destroy();
      if (!signal.aborted && !(error instanceof TooSlow)) throw error;
    } finally {
      clearInterval(heart);
    }
  }

  async #write(res: ServerResponse, text: string, signal: AbortSignal): Promise<void> {
    if (res.write(text)) return;
    const late = AbortSignal.timeout(this.#limits.slowestMs);
    try {
      await once(res, 'drain', { signal: AbortSignal.any([signal, late]) });
    } catch (error) {
      throw late.aborted ? new TooSlow() : error;
    }
  }
}

type MayStill = () => Promise<void>;

async function isAllowed(mayStill: MayStill): Promise<boolean> {
  try {
    await mayStill();
    return true;
  } catch (error) {
    if (error instanceof ManagementError || error instanceof OciError) return false;
    throw error;
  }
}

class TooSlow extends Error {
  override readonly name = 'TooSlow';
}

function begin(ctx: Answering): void {
  const { res } = ctx;
  ctx.respond = false;
  ctx.status = 200;
  res.setHeader('Content-Type', 'text/event-stream');
  res.setHeader('Cache-Control', 'no-store');
  // nginx would keep them until there are enough.
  res.setHeader('X-Accel-Buffering', 'no');
  res.flushHeaders();
}

/** JSON has no line ends of its own, and neither do ids and names. */
function textOf({ id, event, data }: ServerEvent): string {
  return `id: ${id}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}
