import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import * as channels from '../../src/telemetry/channels.ts';
import { createLog, type LogLevel } from '../../src/telemetry/log.ts';
import { logFacts } from '../../src/telemetry/log-facts.ts';
import { Deadline } from '../support/deadline.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const DIGEST = `sha256:${'a'.repeat(64)}`;
const REQUEST = {
  id: 'r1',
  method: 'GET',
  path: '/v2/team/app/manifests/latest',
  route: 'manifest',
  status: 200,
  sentBytes: 512,
  durationMs: 1.23456,
  clientAddress: '192.0.2.7',
} as const;

describe('the log', () => {
  it('has one JSON line for each request, with what happened', async () => {
    const lines = await linesOf({}, () => {
      channels.requestFinished.publish({ ...REQUEST, caller: 'admin', userAgent: 'docker/28.2' });
    });

    const [{ time, ...line } = {}, ...more] = lines;
    assert.deepEqual(more, []);
    assert.match(String(time), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.deepEqual(line, {
      level: 'info',
      id: 'r1',
      method: 'GET',
      path: '/v2/team/app/manifests/latest',
      status: 200,
      sentBytes: 512,
      durationMs: 1.23,
      clientAddress: '192.0.2.7',
      caller: 'admin',
      userAgent: 'docker/28.2',
      msg: 'request',
    });
  });

  it('has as much of what a client calls itself as names need', async () => {
    const userAgent = 'x'.repeat(16_000);
    const [line] = await linesOf({}, () => {
      channels.requestFinished.publish({ ...REQUEST, userAgent });
    });

    assert.equal(line?.['userAgent'], userAgent.slice(0, 256));
  });

  it('leaves requests out where the access log is off, and not their failures', async () => {
    const lines = await linesOf({ accessLog: false }, () => {
      channels.requestFinished.publish({ ...REQUEST, status: 500 });
      channels.requestFailed.publish({ ...REQUEST, error: new TypeError('broken') });
    });

    assert.deepEqual(
      lines.map(({ msg, level }) => [msg, level]),
      [['request failed', 'error']],
    );
  });

  it('tells a failure with its stack and its causes', async () => {
    const error = new Error('outer', { cause: new RangeError('inner') });
    const [line] = await linesOf({}, () => channels.requestFailed.publish({ ...REQUEST, error }));

    assert.match(
      JSON.stringify(line?.['error']),
      /"name":"Error","message":"outer","stack":"Error/,
    );
    assert.match(
      JSON.stringify(line?.['error']),
      /"cause":\{"name":"RangeError","message":"inner"/,
    );
  });

  it('does not hear what its level drops', async () => {
    const lines = await linesOf({ level: 'warn' }, () => {
      assert.equal(channels.requestFinished.hasSubscribers, false);
      assert.equal(channels.upstreamAnswered.hasSubscribers, false);
      channels.fillAborted.publish({
        digest: DIGEST,
        repository: 'docker.io/library/x',
        receivedBytes: 7,
        durationMs: 5,
        error: new Error('reset'),
      });
    });

    assert.deepEqual(
      lines.map(({ msg, digest }) => [msg, digest]),
      [['fill aborted', DIGEST]],
    );
  });

  it('is readable on a terminal', async () => {
    const text = await written({ format: 'pretty' }, () => {
      channels.projectAdopted.publish({ project: 'docker.io' });
    });

    assert.match(text, /^\[\d\d:\d\d:\d\d\] INFO: project adopted \{"project":"docker\.io"\}\n$/);
  });
});

interface Options {
  readonly level?: LogLevel;
  readonly accessLog?: boolean;
  readonly format?: 'json' | 'pretty';
}

async function linesOf(
  options: Options,
  publish: () => void,
): Promise<readonly Record<string, unknown>[]> {
  const text = await written(options, publish);
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}

async function written(
  { level = 'info', accessLog = true, format = 'json' }: Options,
  publish: () => void,
): Promise<string> {
  await using directory = await temporaryDirectory();
  const destination = join(directory.path, 'log');
  const log = createLog({ level, format, destination });
  {
    using listening = new DisposableStack();
    listening.use(logFacts(log, { accessLog }));
    publish();
  }
  return await textOnceWritten(log, destination);
}

/** The file is opened in the background: what was logged until then is flushed once it is. */
async function textOnceWritten(log: { flush(): void }, file: string): Promise<string> {
  using deadline = new Deadline(5_000);
  while (!deadline.isOver()) {
    const text = await readFile(file, 'utf8').catch(() => '');
    if (text.endsWith('\n')) return text;
    await new Promise(setImmediate);
  }
  log.flush();
  return await readFile(file, 'utf8');
}
