import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { create } from './support/management.ts';
import { type Tool, toolIn } from './support/tools.ts';
import { digestAt, tagsAt } from './support/wire.ts';
import { startWorld, type World } from './support/world.ts';

/** Every signature has to be by the certificate that `generate-test` made. */
const TRUST = {
  version: '1.0',
  trustPolicies: [
    {
      name: 'lab',
      registryScopes: ['*'],
      signatureVerification: { level: 'strict' },
      trustStores: ['ca:lab.example'],
      trustedIdentities: ['*'],
    },
  ],
};

describe('notation', { timeout: 300_000 }, () => {
  it("signs an image on the node with a user's login, and verifies it there", async () => {
    await using world = await startWorld();
    const notation = await notationOf(world, await developer(world));
    const image = `${world.node.host}/local/app@${await publishToNode(world)}`;
    assert.notEqual((await notation.attempt(...VERIFY, image)).code, 0, 'nobody signed it yet');

    await notation('sign', '--insecure-registry', '--force-referrers-tag=false', image);

    assert.match(await notation(...VERIFY, image), /Successfully verified/);
    assert.match(await notation('list', '--insecure-registry', image), /sha256:/);
    const tags = await tagsAt(world.node.url, 'local/app', world.admin);
    assert.deepEqual(tags, ['1'], 'the signature refers to the image and takes no tag');
  });
});

const VERIFY = ['verify', '--insecure-registry'];

/** A user who may push to the project `local`. */
async function developer(world: World): Promise<{ username: string; password: string }> {
  const ann = { username: 'ann', password: 'Passw0rd1' };
  await create(world, '/users', { ...ann, email: 'ann@example.com', realname: 'Ann' });
  const member_user = { username: ann.username };
  await create(world, '/projects/local/members', { role_id: 2, member_user });
  return ann;
}

/** notation with a key and a trust policy of its own, and its registry login. */
async function notationOf(
  world: World,
  { username, password }: { username: string; password: string },
): Promise<Tool> {
  const folder = world.at('notation-home');
  const notation = await toolIn(world, 'notation', { DOCKER_CONFIG: folder });
  // Its own login wants a credential store of the desktop; docker's file does.
  const auth = Buffer.from(`${username}:${password}`).toString('base64');
  const auths = { [world.node.host]: { auth } };
  await writeFile(notation.at('config.json'), JSON.stringify({ auths }));
  await writeFile(notation.at('trust.json'), JSON.stringify(TRUST));
  await notation('cert', 'generate-test', '--default', 'lab.example');
  await notation('policy', 'import', '--force', 'trust.json');
  return notation;
}

/** Pushes an image to the node's hosted project as `local/app:1`; returns its digest. */
async function publishToNode(world: World): Promise<string> {
  const digest = await world.publish(world.hub, 'library/x');
  const crane = await toolIn(world, 'crane', { DOCKER_CONFIG: world.at('notation-home') });
  await crane('copy', `${world.hub.host}/library/x`, `${world.node.host}/local/app:1`);
  assert.equal(await digestAt(world.node.url, 'local/app', '1', world.admin), digest);
  return digest;
}
