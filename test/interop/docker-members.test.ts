import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { startDockerd } from './support/engines.ts';
import { create } from './support/management.ts';
import { digestAt } from './support/wire.ts';
import { startWorld } from './support/world.ts';

const PASSWORD = 'Passw0rd';

describe('docker, as a user that the management API made', { timeout: 300_000 }, () => {
  it('logs in, pushes where the user is a developer, and is refused where a guest', async () => {
    await using world = await startWorld();
    await create(world, '/users', {
      username: 'ann',
      password: PASSWORD,
      email: 'ann@example.com',
      realname: 'Ann',
    });
    for (const [project_name, role_id] of [
      ['works', 2],
      ['looks', 3],
    ] as const) {
      const project = await create(world, '/projects', { project_name });
      await create(world, `${project}/members`, { role_id, member_user: { username: 'ann' } });
    }
    await world.publish(world.hub, 'library/x');
    await using engine = await startDockerd(world.at('engine'));
    const image = `${world.hub.host}/library/x`;
    await engine.docker('pull', image);
    const [works, looks] = [`${world.node.host}/works/x:1`, `${world.node.host}/looks/x:1`];
    await engine.docker('tag', image, works);
    await engine.docker('tag', image, looks);

    await assert.rejects(engine.docker('push', works), /denied|unauthorized|no basic auth/i);
    await engine.docker('login', '-u', 'ann', '-p', PASSWORD, world.node.host);
    await engine.docker('push', works);
    await assert.rejects(engine.docker('push', looks), /denied|unauthorized/i);

    const digest = await digestAt(world.node.url, 'works/x', '1', world.admin);
    assert.match(digest, /^sha256:/);
    await engine.docker('system', 'prune', '--all', '--force');
    await engine.docker('pull', works);
  });
});
