import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Tool, toolIn } from './support/tools.ts';
import { digestAt, tagsAt } from './support/wire.ts';
import { startWorld, type World } from './support/world.ts';

interface Form {
  readonly name: string;
  readonly signing: readonly string[];
  readonly verifying: readonly string[];
  /** Of the tag that the signature takes, if it takes one. */
  readonly tagSuffix: string | undefined;
}

/** The two forms a signature has: an attached bundle, and the older image behind a tag. */
const FORMS: readonly Form[] = [
  {
    name: 'a bundle that refers to the image',
    signing: ['--signing-config', 'signing-config.json', '--trusted-root', 'trusted-root.json'],
    verifying: ['--trusted-root', 'trusted-root.json'],
    tagSuffix: undefined,
  },
  {
    name: 'an image behind the tag sha256-….sig',
    signing: ['--use-signing-config=false', '--tlog-upload=false', '--new-bundle-format=false'],
    verifying: ['--new-bundle-format=false'],
    tagSuffix: '.sig',
  },
];

for (const form of FORMS) {
  describe(`cosign, the signature being ${form.name}`, { timeout: 300_000 }, () => {
    it('signs an image on the node and verifies it there', async () => {
      await using world = await startWorld();
      const cosign = await cosignOf(world);
      const digest = await publishToNode(world);
      const image = `${world.node.host}/local/app@${digest}`;
      assert.notEqual((await verify(cosign, image, form)).code, 0, 'nobody signed it yet');

      await sign(cosign, image, form);

      const verified = await verify(cosign, image, form);
      assert.equal(verified.code, 0, verified.stderr);
      assert.match(verified.stdout, new RegExp(digest));
      const tags = await tagsAt(world.node.url, 'local/app', world.admin);
      const { tagSuffix } = form;
      const expected = tagSuffix === undefined ? [] : [digest.replace(':', '-') + tagSuffix];
      assert.deepEqual(tags, ['1', ...expected]);
    });

    it('refuses a signature by another key', async () => {
      await using world = await startWorld();
      const cosign = await cosignOf(world);
      const image = `${world.node.host}/local/app@${await publishToNode(world)}`;
      await sign(cosign, image, form);

      await cosign('generate-key-pair', '--output-key-prefix', 'other');

      assert.notEqual((await verify(cosign, image, form, 'other.pub')).code, 0);
    });

    it('verifies an upstream image through the node cold, warm and with the upstream gone', async () => {
      await using world = await startWorld();
      const cosign = await cosignOf(world);
      const digest = await world.publish(world.ghcr, 'team/app');
      await sign(cosign, `${world.ghcr.host}/team/app@${digest}`, form);
      const cached = `${world.node.host}/ghcr.io/team/app`;

      for (const image of [`${cached}:latest`, `${cached}@${digest}`]) {
        const { code, stderr } = await verify(cosign, image, form);
        assert.equal(code, 0, stderr);
      }

      await world.stopUpstreams();
      for (const image of [`${cached}:latest`, `${cached}@${digest}`]) {
        const { code, stderr } = await verify(cosign, image, form);
        assert.equal(code, 0, stderr);
      }
    });
  });
}

/** cosign with a key pair and offline trust, its registry logins those of the world's admin. */
async function cosignOf(world: World): Promise<Tool> {
  const cosign = await toolIn(world, 'cosign', {
    COSIGN_PASSWORD: '',
    DOCKER_CONFIG: world.at('cosign-home'),
  });
  await cosign('login', world.node.host, '-u', 'admin', '-p', world.node.adminPassword);
  await cosign('generate-key-pair');
  await cosign('signing-config', 'create', '--out', 'signing-config.json');
  await cosign('trusted-root', 'create', '--out', 'trusted-root.json');
  return cosign;
}

/** Pushes an image to the node's hosted project as `local/app:1`; returns its digest. */
async function publishToNode(world: World): Promise<string> {
  const digest = await world.publish(world.hub, 'library/x');
  const crane = await toolIn(world, 'crane', { DOCKER_CONFIG: world.at('cosign-home') });
  await crane('copy', `${world.hub.host}/library/x`, `${world.node.host}/local/app:1`);
  assert.equal(await digestAt(world.node.url, 'local/app', '1', world.admin), digest);
  return digest;
}

const sign = (cosign: Tool, image: string, form: Form): Promise<string> =>
  cosign('sign', '--yes', '--key', 'cosign.key', '--allow-http-registry', ...form.signing, image);

const verify = (cosign: Tool, image: string, form: Form, key = 'cosign.pub') =>
  cosign.attempt(
    'verify',
    '--key',
    key,
    '--insecure-ignore-tlog=true',
    '--allow-http-registry',
    ...form.verifying,
    image,
  );
