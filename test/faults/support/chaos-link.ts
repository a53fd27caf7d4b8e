/** A way to a registry that counts what goes over it and misbehaves when it is told to. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { setTimeout as wait } from 'node:timers/promises';
import { RunningTime } from '../../support/deadline.ts';

export interface ChaosLink extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** Of blobs, in either direction, of exchanges that began since {@link countAnew}. */
  readonly seen: Traffic;
  /** What comes late of those before, as a kernel sends it after a cut, counts no more. */
  countAnew(): void;
  /** Of all that goes over it. */
  bytesPerSecond: number;
  /** 429 to everybody, and who comes again within a second hears it again. */
  storm(milliseconds: number): void;
  /** The tokens that were used so far are good no more. */
  expireTokens(): void;
  /**
   * What is under way now comes to nothing, which its ends may not be able to say. So does a blob that was handed over whole
   * to a reader who has not kept it yet: it may be in the buffers of the kernel, though for no more than {@link UNKEPT_MS}.
   * What was acknowledged here is kept.
   */
  giveUp(isKept: IsKept): void;
}

/** Whether its reader has that blob, whatever happens. */
export type IsKept = (digest: string) => boolean;

export interface Traffic {
  /** Bytes that went on. */
  bytes: number;
  /** Exchanges that ended too early, or with bytes that were sent for nothing. */
  breaks: number;
  /** Requests that were answered by 429, and with tokens that had expired. */
  refused: number;
}

/** In which a reader that runs keeps what was handed over to it. */
export const UNKEPT_MS = 2_000;

const BLOB = /\/v2\/.+\/blobs\/(?:uploads\/|(?<digest>sha256:\w+))/;

type Time = Pick<RunningTime, 'ms' | typeof Symbol.dispose>;

/** @param time in which the readers ran; theirs is this process's */
export async function startChaosLink(
  target: string,
  time: Time = new RunningTime(),
): Promise<ChaosLink> {
  let seen = nothing();
  const used = new Set<string>();
  const expired = new Set<string>();
  let stormUntil = 0;
  let freeAt = 0;
  let exchanges = new Set<Exchange>();
  const link = {
    bytesPerSecond: Number.POSITIVE_INFINITY,
    get seen(): Traffic {
      return seen;
    },
  };
  /** One line for all that goes over it. */
  const pace = async (bytes: number): Promise<void> => {
    if (link.bytesPerSecond === Number.POSITIVE_INFINITY) return;
    const now = performance.now();
    freeAt = Math.max(now, freeAt) + (bytes / link.bytesPerSecond) * 1000;
    await wait(freeAt - now);
  };
  const server = createServer((incoming, outgoing) => {
    if (performance.now() < stormUntil) {
      seen.refused += 1;
      outgoing.writeHead(429, { 'retry-after': '1', connection: 'close' }).end();
      return;
    }
    const { authorization = '' } = incoming.headers;
    if (authorization.startsWith('Bearer ')) used.add(authorization);
    if (expired.has(authorization)) {
      seen.refused += 1;
      // The registry itself says what it wants.
      delete incoming.headers.authorization;
    }
    const blob = BLOB.exec(incoming.url ?? '');
    const exchange = new Exchange(blob === null ? nothing() : seen, {
      digest: blob?.groups?.['digest'],
      time,
    });
    if (blob !== null) exchanges.add(exchange);
    handOn(incoming, outgoing, { target, pace, exchange });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not listening on TCP');
  return Object.assign(link, {
    url: `http://127.0.0.1:${address.port}`,
    port: address.port,
    countAnew() {
      seen = nothing();
      exchanges = new Set();
    },
    storm(milliseconds: number) {
      stormUntil = performance.now() + milliseconds;
    },
    expireTokens() {
      for (const token of used) expired.add(token);
    },
    giveUp(isKept: IsKept) {
      const lost = [...exchanges].filter((exchange) => exchange.isLost(isKept));
      // Ranges of one blob are lost together.
      const broken = new Map(lost.map((exchange) => [exchange.digest ?? exchange, exchange]));
      for (const exchange of broken.values()) exchange.breakOff();
    },
    async [Symbol.asyncDispose]() {
      time[Symbol.dispose]();
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  });
}

function nothing(): Traffic {
  return { bytes: 0, breaks: 0, refused: 0 };
}

/** One request and its answer. */
class Exchange {
  readonly #seen: Traffic;
  readonly #time: Time;
  /** Of the blob that is read; undefined of what is sent. */
  readonly digest: string | undefined;
  /** When it was answered to the end, as far as this link can tell. */
  #overAtMs: number | undefined;
  #bytes = 0;
  #isBroken = false;

  constructor(seen: Traffic, { digest, time }: Pick<Exchange, 'digest'> & { time: Time }) {
    this.#seen = seen;
    this.digest = digest;
    this.#time = time;
  }

  count(bytes: number): void {
    this.#bytes += bytes;
    this.#seen.bytes += bytes;
  }

  end(): void {
    this.#overAtMs = this.#time.ms;
  }

  /** If all is given up now. */
  isLost(isKept: IsKept): boolean {
    if (this.#bytes === 0 || this.#isBroken) return false;
    if (this.digest !== undefined && isKept(this.digest)) return false;
    if (this.#overAtMs === undefined) return true;
    return this.digest !== undefined && this.#time.ms <= this.#overAtMs + UNKEPT_MS;
  }

  breakOff(): void {
    if (this.#bytes === 0 || this.#isBroken) return;
    this.#isBroken = true;
    this.#seen.breaks += 1;
  }
}

interface Way {
  readonly target: string;
  readonly pace: (bytes: number) => Promise<void>;
  readonly exchange: Exchange;
}

function handOn(incoming: IncomingMessage, outgoing: ServerResponse, way: Way): void {
  const { method, headers, url = '' } = incoming;
  const { target, exchange } = way;
  const onward = request(new URL(url, target), { method, headers, agent: false });
  const breakOff = (): void => exchange.breakOff();
  outgoing.on('close', () => {
    if (outgoing.writableFinished) exchange.end();
    // All of it came, and nobody heard the answer.
    else breakOff();
  });
  onward.on('error', () => outgoing.destroy());
  outgoing.on('close', () => onward.destroy());
  onward.on('response', (answer) => {
    const { statusCode = 502 } = answer;
    outgoing.writeHead(statusCode, answer.headers);
    // What was sent for nothing.
    if (statusCode >= 400) breakOff();
    passed(answer, outgoing, way).catch(breakOff);
  });
  passed(incoming, onward, way).catch(breakOff);
}

/** Everything that comes, at the pace of the line. Rejects where it ends too early. */
function passed(
  from: IncomingMessage,
  to: NodeJS.WritableStream,
  { pace, exchange }: Way,
): Promise<void> {
  return pipeline(
    from,
    async function* counted(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
      for await (const chunk of chunks) {
        await pace(chunk.length);
        exchange.count(chunk.length);
        yield chunk;
      }
    },
    to,
  );
}
