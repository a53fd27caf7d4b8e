import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import Koa from 'koa';
import { z } from 'zod';
import {
  EventStreams,
  type ServerEvent,
  type ServerEvents,
  STREAM_LIMITS,
  type StreamLimits,
} from '../../../src/http/api/event-stream.ts';
import { route } from '../../../src/http/api/route.ts';
import { requestSignal } from '../../../src/http/request-signal.ts';
import { ManagementError } from '../../../src/oci/management-error.ts';
import { until } from '../../support/until.ts';
import { ACCESS, send, startRoutes } from './support/routes.ts';

describe('a stream of events', () => {
  it('sends each with its id, its name and its data, and ends', async () => {
    await using server = await serving(async function* () {
      yield [event(1, { text: 'two\nlines' })];
      yield [];
      yield [event(2, 'last')];
    });

    const { head, text } = await server.whole();

    assert.equal(head.statusCode, 200);
    assert.equal(head.headers['content-type'], 'text/event-stream');
    assert.equal(head.headers['cache-control'], 'no-store');
    assert.equal(
      text,
      'id: 1\nevent: said\ndata: {"text":"two\\nlines"}\n\nid: 2\nevent: said\ndata: "last"\n\n',
    );
  });

  it('has heartbeats while nothing happens', async () => {
    await using server = await serving(waiting, { heartbeatMs: 10 });
    const { head, sent } = await server.open();

    await until(() => sent.text.includes(':\n\n:\n\n'));

    head.destroy();
  });

  it('is given up when its client leaves', async () => {
    await using server = await serving(waiting);
    const { head } = await server.open();
    await until(() => server.following === 1);

    head.destroy();

    await until(() => server.following === 0);
  });

  it('is one of so many, and the next one is asked to come later until one has ended', async () => {
    await using server = await serving(waiting, { most: 2 });
    const first = await server.open();
    const second = await server.open();
    await until(() => server.following === 2);

    const refused = await server.whole();
    first.head.destroy();
    await until(() => server.following === 1);
    const third = await server.open();

    assert.equal(refused.text, 'TOOMANYREQUESTS');
    assert.equal(third.head.statusCode, 200);
    for (const { head } of [second, third]) head.destroy();
  });

  it('ends soon after the server has begun to close, for the client to come back elsewhere', async () => {
    await using server = await serving(async function* (signal) {
      for (;;) {
        yield [];
        await delay(1, undefined, { signal });
      }
    });
    const { head } = await server.open();
    await until(() => server.following === 1);
    const ended = once(head, 'end');

    server.startClosing();

    await ended;
    assert.equal(server.following, 0);
  });

  it('ends once the one who follows it may not any more', async () => {
    let isAllowed = true;
    let asked = 0;
    await using server = await serving(
      async function* (signal) {
        for (let id = 1; ; id++) {
          yield [event(id, 'said')];
          await delay(1, undefined, { signal });
        }
      },
      { askedAgainMs: 0 },
      async () => {
        asked += 1;
        if (!isAllowed) throw new ManagementError('FORBIDDEN', 'you may not');
      },
    );
    const { head } = await server.open();
    const ended = once(head, 'end');
    await until(() => asked > 1);
    assert.equal(server.following, 1);

    isAllowed = false;

    await ended;
    assert.equal(server.following, 0);
  });

  it('drops a client that does not read', async () => {
    const big = event(1, 'x'.repeat(1024 * 1024));
    await using server = await serving(
      async function* (signal) {
        for (;;) {
          yield [big];
          await delay(1, undefined, { signal });
        }
      },
      { slowestMs: 100 },
    );
    const { head } = await server.open({ isRead: false });

    await until(() => server.ended === 1);

    head.destroy();
    assert.equal(server.following, 0);
  });
});

describe('events that go on', () => {
  const followed = route({
    operation: 'follow',
    method: 'GET',
    path: '/followed',
    permission: { system: 'replication:read' },
    answers: [200, 401, 403],
    handle: ({ signal }) => ({
      events: (async function* () {
        for (;;) {
          yield [];
          await delay(1, undefined, { signal });
        }
      })(),
    }),
  });
  for (const [what, name] of [
    ['may not any more', 'guest'],
    ['is nobody by now', ''],
  ] as const) {
    it(`end when the caller ${what}`, async () => {
      let asked = 0;
      const authenticate = async (_: string | undefined, address: string) => {
        asked += 1;
        return ACCESS.authenticate(asked > 3 ? name : 'admin', address);
      };
      const limits = { ...STREAM_LIMITS, askedAgainMs: 0 };
      await using node = await startRoutes([followed], { access: { authenticate }, limits });

      const answer = await node.send(send('/followed', 'admin'));

      assert.equal(answer.status, 200);
      assert.equal(asked, 4);
      assert.equal((await node.send(send('/followed', 'admin'))).status, name === '' ? 401 : 403);
    });
  }
});

type Follow = (signal: AbortSignal) => ServerEvents;

/** A server of one stream, over real sockets. */
async function serving(
  follow: Follow,
  limits: Partial<StreamLimits> = {},
  mayStill = async () => {},
) {
  const streams = new EventStreams({ ...STREAM_LIMITS, ...limits });
  const counts = { following: 0, ended: 0 };
  const counted = async function* (signal: AbortSignal): ServerEvents {
    counts.following += 1;
    try {
      yield* follow(signal);
    } finally {
      counts.following -= 1;
      counts.ended += 1;
    }
  };
  const app = new Koa();
  const answers = new Set<ServerResponse>();
  app.use(async (ctx) => {
    answers.add(ctx.res);
    try {
      await streams.send(ctx, counted(requestSignal(ctx)), mayStill);
    } catch (error) {
      ctx.body = error instanceof Error && 'code' in error ? String(error.code) : 'failed';
    }
  });
  const handle = app.callback();
  const server = createServer((...exchanged) => void handle(...exchanged)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = z.object({ port: z.int() }).parse(server.address());
  const open = async ({ isRead = true }: { isRead?: boolean } = {}) => {
    const sending = request({ port, host: '127.0.0.1' }).end();
    const { promise, resolve } = Promise.withResolvers<IncomingMessage>();
    sending.once('response', resolve);
    const head = await promise;
    const sent = { text: '' };
    head.on('error', ignored);
    if (isRead) head.on('data', (piece: Buffer) => void (sent.text += piece.toString()));
    else head.pause();
    return { head, sent };
  };
  return {
    open,
    async whole() {
      const { head, sent } = await open();
      await once(head, 'end');
      return { head, text: sent.text };
    },
    /** As the node's own does it. */
    startClosing() {
      for (const answer of answers) answer.shouldKeepAlive = false;
    },
    get following() {
      return counts.following;
    },
    get ended() {
      return counts.ended;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function event(id: number, data: unknown): ServerEvent {
  return { id: String(id), event: 'said', data };
}

function ignored(): void {}

async function* waiting(signal: AbortSignal): ServerEvents {
  yield [event(1, 'begun')];
  await once(signal, 'abort');
}
