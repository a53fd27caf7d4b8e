import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { ADMIN } from '../support/node.ts';
import { startApiNode } from './support/node.ts';

describe('the management API tells whoever asks', () => {
  it('that it is there', async () => {
    await using node = await startApiNode();

    const ping = await node.send({ path: '/api/v2.0/ping' });
    const version = await node.send({ path: '/api/version' });

    assert.equal(ping.status, 200);
    assert.equal(ping.body.toString(), 'Pong');
    assert.deepEqual(version.json(), { version: 'v2.0' });
  });

  it('how it is, component by component', async () => {
    await using node = await startApiNode({
      ports: ({ api }) => ({
        api: {
          ...api,
          system: {
            ...api.system,
            readiness: async () => ({ checks: { database: 'ok', storage: 'failed (Error)' } }),
          },
        },
      }),
    });

    const health = await node.send({ path: '/api/v2.0/health' });

    assert.deepEqual(health.json(), {
      status: 'unhealthy',
      components: [
        { name: 'core', status: 'healthy' },
        { name: 'database', status: 'healthy' },
        { name: 'registry', status: 'unhealthy', error: 'failed (Error)' },
      ],
    });
  });

  it('what it is, and more of it to those who sign in', async () => {
    await using node = await startApiNode();

    const forAll = await node.send({ path: '/api/v2.0/systeminfo' });
    const forUsers = await node.send({ path: '/api/v2.0/systeminfo', as: 'guest:pw' });

    assert.deepEqual(forAll.json(), {
      auth_mode: 'db_auth',
      banner_message: '',
      primary_auth_mode: false,
      self_registration: false,
    });
    const Info = z.object({ harbor_version: z.string(), registry_url: z.string() });
    const { harbor_version, registry_url } = Info.parse(forUsers.json());
    assert.match(harbor_version, /^v2\.\d+\.\d+-portolan\./);
    assert.equal(registry_url, `127.0.0.1:${node.port}`);
  });

  for (const host of ['a~b', 'x:99999', '1.2.3.4.5', '[1::2::3]', '999.1.1.1']) {
    it(`what it is, though not where, to who calls it ${host}`, async () => {
      await using node = await startApiNode();

      const answer = await node.send({
        path: '/api/v2.0/systeminfo',
        as: 'guest:pw',
        headers: { Host: host },
      });

      assert.equal(answer.status, 200);
      const Info = z.object({ external_url: z.string(), registry_url: z.string() });
      assert.deepEqual(Info.parse(answer.json()), { external_url: '', registry_url: '' });
    });
  }

  it('that there is no certificate to download', async () => {
    await using node = await startApiNode();

    const answer = await node.send({ path: '/api/v2.0/systeminfo/getcert' });

    assert.equal(answer.status, 404);
  });
});

describe('the size of the volumes', () => {
  it('is for those who run the node', async () => {
    await using node = await startApiNode();
    const path = '/api/v2.0/systeminfo/volumes';

    assert.equal((await node.send({ path })).status, 401);
    assert.equal((await node.send({ path, as: 'guest:pw' })).status, 403);
    const Volumes = z.object({
      storage: z.array(z.object({ total: z.number().positive(), free: z.number() })).length(1),
    });
    Volumes.parse((await node.send({ path, as: ADMIN })).json());
  });
});
