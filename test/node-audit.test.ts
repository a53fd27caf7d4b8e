import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { loadConfig } from '../src/config/load.ts';
import { startNode } from '../src/node.ts';
import { type Client, createClient } from './http/support/client.ts';
import { pushImage } from './http/support/push.ts';
import { postLogin } from './http/support/session-client.ts';
import { temporaryDirectory } from './support/temporary-directory.ts';
import { until } from './support/until.ts';
import { startUpstream } from './support/upstream.ts';

const ADMIN = 'admin:pw';
const Records = z.array(
  z.object({
    username: z.string(),
    operation: z.string(),
    resource_type: z.string(),
    resource: z.string(),
    operation_result: z.boolean(),
    operation_description: z.string(),
  }),
);

describe('the audit log of a running node', () => {
  it('has pushes, pulls and deletes of /v2, each once, and nothing of a HEAD', async () => {
    await using node = await start('projects: { team: { public: true } }\n');
    const { digest } = await pushImage(node, 'team/app', ['v1', 'v2']);
    await node.send({ method: 'HEAD', path: manifest('v1'), as: ADMIN });
    await node.send({ path: manifest('v1'), as: ADMIN });
    await node.send({ path: manifest(digest) });
    await node.send({ path: manifest('none') });
    await node.send({ method: 'DELETE', path: manifest('v2'), as: ADMIN });
    await node.send({ method: 'DELETE', path: manifest(digest), as: ADMIN });
    await node.send({ method: 'DELETE', path: manifest(digest), as: ADMIN });

    const expected = [
      'admin create artifact team/app:v1',
      'admin create artifact team/app:v2',
      'admin delete artifact team/app@DIGEST',
      'admin delete tag team/app:v2',
      'admin pull artifact team/app:v1',
      'anonymous pull artifact team/app@DIGEST',
    ];
    await until(async () => (await node.told('/auditlog-exts')).length >= expected.length);
    const rows = (await node.told('/auditlog-exts')).map((row) => row.replace(digest, 'DIGEST'));
    assert.deepEqual(rows.toSorted(), expected);
    const ofProject = await node.told('/projects/team/auditlog-exts');
    assert.equal(ofProject.length, expected.length);
  });

  it('has a pull through the cache as its client’s alone', async () => {
    await using upstream = await startUpstream();
    upstream.addImage('library/x', 'latest', [Buffer.from('layer')]);
    const hub = `{ adapter: docker-hub, url: "${upstream.url.href}", allowPrivateAddress: true }`;
    await using node = await start(`endpoints: { docker.io: ${hub} }\n`);

    await node.send({ path: '/v2/x/manifests/latest' });

    await until(async () => (await node.told('/auditlog-exts')).length > 0);
    assert.deepEqual(await node.told('/auditlog-exts'), [
      'anonymous pull artifact docker.io/library/x:latest',
    ]);
  });

  it('has no pulls while those are turned off', async () => {
    await using node = await start('projects: { team: { public: true } }\n');
    await node.send({
      method: 'PUT',
      path: '/api/v2.0/configurations',
      as: ADMIN,
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ disabled_audit_log_event_types: 'pull_artifact' }),
    });
    await pushImage(node, 'team/app', ['v1']);
    await node.send({ path: '/v2/team/app/manifests/v1' });
    await node.restart();

    assert.deepEqual(await node.told('/auditlog-exts'), [
      'admin create artifact team/app:v1',
      'admin update configuration disabledAuditEvents',
    ]);
  });

  it('keeps the pulls of the last second when the node closes', async () => {
    await using node = await start('projects: { team: { public: true } }\n');
    await pushImage(node, 'team/app', ['v1']);
    await node.send({ path: '/v2/team/app/manifests/v1' });

    await node.restart();

    assert.equal((await node.told('/auditlog-exts'))[0], 'anonymous pull artifact team/app:v1');
  });

  it('has who signs in at the portal and who is refused, and no one who sends a password along', async () => {
    await using node = await start('');

    await node.send({ path: '/api/v2.0/users/current', as: ADMIN });
    await node.send({ path: '/api/v2.0/users/current', as: 'admin:wrong' });
    await postLogin(node, 'admin:other');
    await postLogin(node, ADMIN);

    assert.deepEqual(await node.told('/auditlog-exts'), [
      'admin login user admin',
      'admin login user admin (refused)',
    ]);
  });
});

const manifest = (reference: string): string => `/v2/team/app/manifests/${reference}`;

/** A node with `pw` for its admin. */
async function start(yaml: string) {
  await using opened = new AsyncDisposableStack();
  const { path } = opened.use(await temporaryDirectory());
  const file = join(path, 'config.yaml');
  const listen = `listen: { address: '127.0.0.1:0' }\ndata: ${path}/data\n`;
  await writeFile(file, `${listen}admin: { password: pw }\n${yaml}`);
  const config = await loadConfig({ file, env: {}, overrides: [] });
  const open = async () => {
    const node = await startNode(config, { version: '0.0.0' });
    const [address = assert.fail('nothing listens')] = node.addresses;
    return { node, client: createClient(address) };
  };
  let running = await open();
  const close = async () => {
    running.client[Symbol.dispose]();
    await running.node[Symbol.asyncDispose]();
  };
  const resources = opened.move();
  resources.defer(close);
  const send: Client['send'] = (sent) => running.client.send(sent);
  return {
    send,
    async restart() {
      await close();
      running = await open();
    },
    /** The newest first. */
    async told(below: string): Promise<readonly string[]> {
      const answer = await send({ path: `/api/v2.0${below}?page_size=100`, as: ADMIN });
      return Records.parse(answer.json()).map((row) => {
        const what = `${row.username} ${row.operation} ${row.resource_type} ${row.resource}`;
        return row.operation_result ? what : `${what} (refused)`;
      });
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}
