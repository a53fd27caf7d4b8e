import assert from 'node:assert/strict';
import { once } from 'node:events';
import { open, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { digestOf } from '../../src/oci/digest.ts';
import { Deadline } from '../support/deadline.ts';
import { end, launchInto, portolan } from '../support/portolan.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { until } from '../support/until.ts';
import { AUTHORIZATION, ask, PASSWORD, type ServingNode, serve } from './support.ts';

describe('portolan serve', { timeout: 600_000 }, () => {
  it('tells where it listens, and keeps standard output for lines of JSON', async () => {
    await using directory = await temporaryDirectory();
    await using node = await serve(directory.path);
    assert.equal((await ask(node, '/healthz')).status, 200);

    node.signal('SIGTERM');
    await node.ended();

    const { stdout, stderr } = node.output();
    assert.match(
      stderr,
      /^Portolan \d\S* is ready\.\n\n {2}listening {2}http:\/\/127\.0\.0\.1:\d+\n/,
    );
    assert.ok(stderr.includes(directory.path), 'where the data is');
    const messages = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).msg);
    assert.deepEqual(messages, ['ready', 'request', 'stopping', 'stopped']);
  });

  it('makes a password at the first start, and shows it there and nowhere else', async () => {
    await using directory = await temporaryDirectory();
    let password: string;
    {
      await using node = await serve(directory.path, { env: {} });
      password = /password (\S+)/.exec(node.output().stderr)?.[1] ?? '';
      const authorization = `Basic ${btoa(`admin:${password}`)}`;
      assert.equal((await ask(node, '/v2/', { headers: { authorization } })).status, 200);
      assert.equal(
        (await ask(node, '/v2/', { headers: { authorization: AUTHORIZATION } })).status,
        401,
      );
      node.signal('SIGINT');
      assert.equal(await node.ended(), 0);
      assert.ok(!node.output().stdout.includes(password));
    }
    await using again = await serve(directory.path, { env: {} });
    const authorization = `Basic ${btoa(`admin:${password}`)}`;

    assert.equal((await ask(again, '/v2/', { headers: { authorization } })).status, 200);
    assert.doesNotMatch(again.output().stderr, /password/);
  });

  for (const format of ['json', 'pretty']) {
    it(`serves on where there is no room for its log, in ${format}`, async () => {
      await using directory = await temporaryDirectory();
      await using full = await open('/dev/full', 'w');
      const file = join(directory.path, 'portolan.yaml');
      await writeFile(file, `telemetry: { format: ${format} }\n`);
      const port = await freePort();
      const url = new URL(`http://127.0.0.1:${port}`);
      const listen = ['--listen', url.host, '--data', join(directory.path, 'data')];
      const child = launchInto(full.fd, ['serve', '--config', file, ...listen]);
      await using _ = { [Symbol.asyncDispose]: () => end(child, 'SIGKILL') };
      const isThere = async (): Promise<boolean> =>
        (await ask({ url }, '/healthz').catch(() => undefined))?.status === 200;
      await until(async () => child.exitCode !== null || (await isThere()), { withinMs: 30_000 });

      // As many lines as are gathered, several times.
      for (let i = 0; i < 200; i++) assert.equal((await ask({ url }, '/healthz')).status, 200);
      assert.equal(child.exitCode, null);
      await end(child, 'SIGTERM');

      assert.equal(child.exitCode, 0);
    });
  }

  it('lets a running request finish after a signal, and then leaves with 0', async () => {
    await using directory = await temporaryDirectory();
    await using node = await serve(directory.path);
    const upload = await slowUpload(node);

    node.signal('SIGTERM');
    await refusesConnections(node);
    upload.end('second half');
    const status = await upload.status;

    assert.equal(status, 201);
    assert.equal(await node.ended(), 0);
  });

  it('leaves at once at a second signal', async () => {
    await using directory = await temporaryDirectory();
    await using node = await serve(directory.path);
    const upload = await slowUpload(node);
    upload.status.catch(() => {});

    node.signal('SIGTERM');
    await refusesConnections(node);
    node.signal('SIGTERM');

    assert.equal(await node.ended(), 1);
    await assert.rejects(upload.status);
  });

  it('cuts requests that go on beyond the deadline', async () => {
    await using directory = await temporaryDirectory();
    await using node = await serve(directory.path, {
      args: ['--config', join(import.meta.dirname, 'short-deadline.yaml')],
    });
    const upload = await slowUpload(node);
    upload.status.catch(() => {});

    node.signal('SIGTERM');

    assert.equal(await node.ended(), 0);
    await assert.rejects(upload.status);
  });

  it('refuses data that another node uses, with 2', async () => {
    await using directory = await temporaryDirectory();
    await using node = await serve(directory.path);

    const second = await portolan(['--data', directory.path, '--listen', '127.0.0.1:0']);

    assert.equal(second.code, 2);
    assert.equal(
      second.stderr,
      `portolan: another process is using the data in ${directory.path}\n`,
    );
    assert.equal((await ask(node, '/healthz')).status, 200);
  });

  it('says so where something listens already', async () => {
    await using directory = await temporaryDirectory();
    await using node = await serve(join(directory.path, 'one'));
    const { host } = node.url;

    const second = await portolan(['--data', join(directory.path, 'two'), '--listen', host]);

    assert.equal(second.code, 1);
    assert.equal(
      second.stderr,
      `portolan: cannot listen on ${host}: something listens there already\n`,
    );
  });

  it('never writes a credential, however it came', async () => {
    await using directory = await temporaryDirectory();
    await using node = await serve(directory.path, {
      args: ['--config', join(import.meta.dirname, 'debug.yaml')],
    });
    const secret = 'hunter2hunter2hunter2';
    await ask(node, '/v2/', { headers: { authorization: AUTHORIZATION } });
    await ask(node, '/v2/', { headers: { authorization: `Basic ${btoa(`admin:${secret}`)}` } });
    await ask(node, '/v2/', { headers: { authorization: `Bearer ${secret}` } });
    await ask(node, `/v2/?account=me&password=${secret}&token=${secret}`);
    await ask(node, '/v2/', { headers: { 'user-agent': `curl Bearer ${secret}`, cookie: secret } });

    node.signal('SIGTERM');
    await node.ended();

    const { stdout, stderr } = node.output();
    assert.equal(stdout.match(/"msg":"request"/g)?.length, 5);
    for (const hidden of [secret, btoa(`admin:${secret}`), PASSWORD, AUTHORIZATION.slice(6)]) {
      assert.ok(!(stdout + stderr).includes(hidden), hidden);
    }
  });
});

/** A push of one blob that has sent its first half. */
async function slowUpload(node: ServingNode) {
  const digest = digestOf(Buffer.from('first half, second half'));
  const url = new URL(`/v2/local/app/blobs/uploads/?digest=${digest}`, node.url);
  const sent = request(url, {
    method: 'POST',
    agent: false,
    headers: { authorization: AUTHORIZATION, 'content-length': 23, expect: '100-continue' },
  });
  const status = once(sent, 'response').then(([response]) => Number(response.statusCode));
  sent.flushHeaders();
  await once(sent, 'continue');
  sent.write('first half, ');
  return { status, end: (rest: string) => void sent.end(rest) };
}

/** Once it was told to stop. */
async function refusesConnections(node: ServingNode): Promise<void> {
  using deadline = new Deadline(10_000);
  while (!deadline.isOver()) {
    try {
      await ask(node, '/healthz');
    } catch {
      return;
    }
  }
  assert.fail('it still accepts connections');
}

/** One that nobody has, a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  server.close();
  await once(server, 'close');
  return address.port;
}
