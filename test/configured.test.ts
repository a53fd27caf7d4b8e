/** Whether keys of the configuration reach what they are about, where the tests of that take it as an argument. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, it, mock } from 'node:test';
import got, { type OptionsOfTextResponseBody } from 'got';
import { loadConfig } from '../src/config/load.ts';
import { type PortolanNode, startNode } from '../src/node.ts';
import { digestOf } from '../src/oci/digest.ts';
import { OCI_MANIFEST } from '../src/oci/media-type.ts';
import { temporaryDirectory } from './support/temporary-directory.ts';
import { until } from './support/until.ts';

const MINUTE = 60_000;
const ADMIN = { username: 'admin', password: 'pw' };
const UPLOADS = 'v2/local/app/blobs/uploads/';
const BLOB = Buffer.from('a blob');
const MANIFEST = JSON.stringify({
  schemaVersion: 2,
  mediaType: OCI_MANIFEST,
  config: { mediaType: 'application/vnd.oci.empty.v1+json', digest: digestOf(BLOB), size: 6 },
  layers: [],
});

describe('a node with', () => {
  it('seed: false has the projects that are declared', async () => {
    await using node = await configured('seed: false\nprojects: { team: {} }');

    assert.deepEqual(
      node.node.projects.map(({ name }) => name),
      ['team'],
    );
  });

  it('a manifestSize refuses what is larger', async () => {
    await using node = await configured('limits: { manifestSize: 1KiB }');
    const body = MANIFEST.padEnd(1025);

    const answer = await node.ask('v2/local/app/manifests/v1', { method: 'PUT', body, ...ADMIN });

    assert.equal(answer.statusCode, 413);
  });

  it('a token_expiration by the API gives tokens for as long, by its next one', async () => {
    await using node = await configured('');
    const change = async (minutes: number) => {
      const body = JSON.stringify({ token_expiration: minutes });
      const headers = { 'content-type': 'application/json' };
      const sent = { method: 'PUT', headers, body, ...ADMIN } as const;
      return (await node.ask('api/v2.0/configurations', sent)).statusCode;
    };
    const lifetime = async () => {
      const answer = await node.ask('service/token?service=portolan', ADMIN);
      const { token, expires_in: seconds } = JSON.parse(answer.body);
      const { iat, exp } = JSON.parse(Buffer.from(token.split('.')[1], 'base64url').toString());
      assert.equal(exp - iat, seconds);
      return seconds;
    };

    assert.equal(await lifetime(), 300);
    assert.equal(await change(30), 200);
    assert.equal(await lifetime(), 1800);
    assert.equal(await change(31), 400);
    assert.equal(await lifetime(), 1800);
  });

  it('uploads: 1 lets no second one send at the same time', async () => {
    await using node = await configured('limits: { uploads: 1 }');
    const [first, second] = [await node.startUpload(), await node.startUpload()];
    const body = new Readable({ read() {} });
    body.push(BLOB);
    const sending = node.ask(first, { method: 'PATCH', body, ...ADMIN });

    await until(async () => {
      const answer = await node.ask(second, { method: 'PATCH', body: BLOB, ...ADMIN });
      return answer.statusCode === 503;
    });
    body.push(null);

    assert.equal((await sending).statusCode, 202);
  });

  it('a headerTimeout cuts clients that take longer', async () => {
    await using node = await configured('listen: { headerTimeout: 100ms, idleTimeout: 1h }');
    const socket = connect(Number(node.url.port), node.url.hostname);
    socket.on('error', () => {}).resume();

    socket.write('GET /v2/ HTTP/1.1\r\nHost:');

    await once(socket, 'close', { signal: AbortSignal.timeout(5_000) });
  });

  it('an idleTimeout cuts clients that fall silent', async () => {
    await using node = await configured('listen: { idleTimeout: 100ms }');
    const upload = await node.startUpload();
    const socket = connect(Number(node.url.port), node.url.hostname);
    socket.on('error', () => {}).resume();
    const head = [`PATCH ${upload} HTTP/1.1`, 'Host: x', 'Content-Length: 10'];

    const authorization = `Authorization: Basic ${btoa(`${ADMIN.username}:${ADMIN.password}`)}`;
    socket.write([...head, authorization, '', 'five!'].join('\r\n'));

    await once(socket, 'close', { signal: AbortSignal.timeout(5_000) });
  });

  it('a private and a sparse project keeps to that', async () => {
    await using node = await configured(
      'projects: { secret: {}, some: { references: sparse, public: true } }',
    );
    const push = (project: string) =>
      node.ask(`v2/${project}/app/manifests/v1`, { method: 'PUT', body: MANIFEST, ...ADMIN });

    assert.equal((await push('secret')).statusCode, 400);
    assert.equal((await push('some')).statusCode, 201);
    assert.equal((await node.ask('v2/secret/app/tags/list')).statusCode, 401);
    assert.equal((await node.ask('v2/some/app/tags/list')).statusCode, 200);
  });

  it('an externalUrl sends clients there for a token', async () => {
    await using node = await configured('listen: { externalUrl: "https://eu.registry.example" }');

    const { headers } = await node.ask('v2/');

    assert.match(
      headers['www-authenticate'] ?? '',
      /realm="https:\/\/eu\.registry\.example\/service\/token"/,
    );
  });

  it('names of its own takes a `?ns=` of one of them for none', async () => {
    await using node = await configured('listen: { names: ["registry.internal:5000"] }');
    await node.startUpload();

    const tags = (ns: string) => node.ask(`v2/local/app/tags/list?ns=${ns}`);

    assert.equal((await tags('registry.internal:5000')).statusCode, 200);
    assert.equal((await tags('elsewhere.example')).statusCode, 404);
  });

  it('an uploadExpiry drops what nobody went on with', async () => {
    using _ = mockTimers();
    await using node = await configured('limits: { uploadExpiry: 1m }');
    const upload = await node.startUpload();
    const status = async () => (await node.ask(upload, ADMIN)).statusCode;
    mock.timers.tick(MINUTE);
    assert.equal(await status(), 204);

    node.clock.at += MINUTE + 1;
    mock.timers.tick(MINUTE);

    await until(async () => (await status()) === 404);
  });

  it('a grace keeps the bytes of deleted blobs that long', async () => {
    using _ = mockTimers();
    await using node = await configured('storage: { grace: 2m }');
    const digest = digestOf(BLOB);
    const used = async () =>
      Number(/^portolan_blobs_collected_bytes_total (\d+)$/m.exec(await node.metrics())?.[1]);
    await node.ask(`${UPLOADS}?digest=${digest}`, { method: 'POST', body: BLOB, ...ADMIN });
    await node.ask(`v2/local/app/blobs/${digest}`, { method: 'DELETE', ...ADMIN });

    node.clock.at += 2 * MINUTE - 1;
    mock.timers.tick(MINUTE);
    assert.equal(await used(), 0);
    node.clock.at += 1;
    mock.timers.tick(MINUTE);

    await until(async () => (await used()) === BLOB.length);
  });
});

/** A node with this configuration, which is YAML without `listen.address` and `data`. */
async function configured(yaml: string) {
  await using opened = new AsyncDisposableStack();
  const directory = opened.use(await temporaryDirectory());
  const file = join(directory.path, 'config.yaml');
  await writeFile(file, yaml);
  const overrides = [
    { origin: '--listen', path: ['listen', 'address'], value: '127.0.0.1:0' },
    { origin: '--data', path: ['data'], value: join(directory.path, 'data') },
    { origin: 'PORTOLAN_ADMIN_PASSWORD', path: ['admin', 'password'], value: ADMIN.password },
  ];
  const clock = { at: Date.now() };
  const config = await loadConfig({ file, env: {}, overrides });
  const node: PortolanNode = opened.use(
    await startNode(config, { version: '0.0.0', now: () => clock.at }),
  );
  const url = new URL(`http://127.0.0.1:${node.addresses[0]?.port}/`);
  const resources = opened.move();
  const ask = (path: string, options: OptionsOfTextResponseBody = {}) =>
    got(new URL(path, url), {
      ...options,
      throwHttpErrors: false,
      retry: { limit: 0 },
      timeout: { request: 10_000 },
    });
  return {
    node,
    url,
    clock,
    ask,
    async startUpload(): Promise<string> {
      const { headers } = await ask(UPLOADS, { method: 'POST', ...ADMIN });
      return headers.location ?? '';
    },
    async metrics(): Promise<string> {
      return (await ask('metrics')).body;
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

function mockTimers(): Disposable {
  mock.timers.enable({ apis: ['setInterval'] });
  return { [Symbol.dispose]: () => mock.timers.reset() };
}
