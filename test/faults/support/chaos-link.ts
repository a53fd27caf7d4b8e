/** A way to a registry that counts what goes over it and misbehaves when it is told to. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { setTimeout as wait } from 'node:timers/promises';

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
   * What is under way now comes to nothing, which its ends may not be able to say; what was handed over a moment ago too:
   * nobody tells this link when its reader has kept it.
   */
  giveUp(): void;
}

export interface Traffic {
  /** Bytes that went on. */
  bytes: number;
  /** Exchanges that ended too early, or with bytes that were sent for nothing. */
  breaks: number;
  /** Requests that were answered by 429, and with tokens that had expired. */
  refused: number;
}

/** From the last byte handed over until it is surely kept. */
const KEPT_WITHIN_MS = 250;
const BLOB = /\/v2\/.+\/blobs\/(?:uploads\/|sha256:)/;

export async function startChaosLink(target: string): Promise<ChaosLink> {
  let seen = nothing();
  const used = new Set<string>();
  const expired = new Set<string>();
  let stormUntil = 0;
  let freeAt = 0;
  const underWay = new Set<() => void>();
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
    const isBlob = BLOB.test(incoming.url ?? '');
    handOn(incoming, outgoing, { target, pace, underWay, seen: isBlob ? seen : undefined });
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
    },
    storm(milliseconds: number) {
      stormUntil = performance.now() + milliseconds;
    },
    expireTokens() {
      for (const token of used) expired.add(token);
    },
    giveUp() {
      for (const breakOff of underWay) breakOff();
    },
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  });
}

function nothing(): Traffic {
  return { bytes: 0, breaks: 0, refused: 0 };
}

interface Way {
  readonly target: string;
  readonly pace: (bytes: number) => Promise<void>;
  /** What counts each of them as broken off. */
  readonly underWay: Set<() => void>;
  /** Undefined of what is no blob. */
  readonly seen: Traffic | undefined;
}

function handOn(incoming: IncomingMessage, outgoing: ServerResponse, way: Way): void {
  const { method, headers, url = '' } = incoming;
  const onward = request(new URL(url, way.target), { method, headers, agent: false });
  const exchange = { bytes: 0, isBroken: false };
  const breakOff = (): void => {
    if (way.seen === undefined || exchange.bytes === 0 || exchange.isBroken) return;
    exchange.isBroken = true;
    way.seen.breaks += 1;
  };
  way.underWay.add(breakOff);
  outgoing.on('close', () => {
    // All of it came, and nobody heard the answer.
    if (!outgoing.writableFinished) breakOff();
    setTimeout(() => way.underWay.delete(breakOff), KEPT_WITHIN_MS).unref();
  });
  onward.on('error', () => outgoing.destroy());
  outgoing.on('close', () => onward.destroy());
  onward.on('response', (answer) => {
    const { statusCode = 502 } = answer;
    outgoing.writeHead(statusCode, answer.headers);
    // What was sent for nothing.
    if (statusCode >= 400) breakOff();
    passed(answer, outgoing, { ...way, exchange }).catch(breakOff);
  });
  passed(incoming, onward, { ...way, exchange }).catch(breakOff);
}

/** Everything that comes, at the pace of the line. Rejects where it ends too early. */
function passed(
  from: IncomingMessage,
  to: NodeJS.WritableStream,
  { pace, seen, exchange }: Way & { readonly exchange: { bytes: number } },
): Promise<void> {
  return pipeline(
    from,
    async function* counted(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
      for await (const chunk of chunks) {
        await pace(chunk.length);
        exchange.bytes += chunk.length;
        if (seen !== undefined) seen.bytes += chunk.length;
        yield chunk;
      }
    },
    to,
  );
}
