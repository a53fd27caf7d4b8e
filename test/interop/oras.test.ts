import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { type Tool, toolIn } from './support/tools.ts';
import { digestAt } from './support/wire.ts';
import { pullsColdWarmAndOffline, startWorld, type World } from './support/world.ts';

const CHART_OF_ICE = 'application/vnd.example.chart-of-ice';
const SBOM = 'application/vnd.example.sbom';

describe('oras', { timeout: 300_000 }, () => {
  it('pushes an artifact and pulls its files back', async () => {
    await using world = await startWorld();
    const oras = await loggedIn(world);
    const pushed = `${world.node.host}/local/artifact:1`;

    const digest = await pushArtifact(oras, pushed);

    assert.equal(await digestAt(world.node.url, 'local/artifact', '1', world.admin), digest);
    await oras('pull', '--plain-http', '--output', 'back', `${world.node.host}/local/artifact:1`);
    assert.equal(await readFile(oras.at('back/a.txt'), 'utf8'), pushed);
  });

  it('attaches a referrer and discovers it, filtered by its type too', async () => {
    await using world = await startWorld();
    const oras = await loggedIn(world);
    const subject = `${world.node.host}/local/artifact:1`;
    await pushArtifact(oras, subject);

    const attached = await attachSbom(oras, subject);

    assert.deepEqual(await referrersOf(oras, subject), [attached]);
    assert.deepEqual(await referrersOf(oras, subject, SBOM), [attached]);
    assert.deepEqual(await referrersOf(oras, subject, 'application/vnd.example.other'), []);
    assert.deepEqual(
      (await oras('repo', 'tags', '--plain-http', `${world.node.host}/local/artifact`)).split('\n'),
      ['1'],
      'the referrers API is there, so no fallback tag was made',
    );
  });

  it('copies an artifact with its referrers from the node to another registry', async () => {
    await using world = await startWorld();
    const oras = await loggedIn(world);
    const subject = `${world.node.host}/local/artifact:1`;
    const digest = await pushArtifact(oras, subject);
    const attached = await attachSbom(oras, subject);
    const copy = `${world.ghcr.host}/team/copy:1`;

    await oras('cp', '--from-plain-http', '--to-plain-http', '--recursive', subject, copy);

    assert.equal(await digestAt(world.ghcr.url, 'team/copy', '1'), digest);
    assert.deepEqual(await referrersOf(oras, copy), [attached]);
  });

  it('deletes an artifact', async () => {
    await using world = await startWorld();
    const oras = await loggedIn(world);
    const pushed = `${world.node.host}/local/artifact`;
    const digest = await pushArtifact(oras, `${pushed}:1`);

    await oras('manifest', 'delete', '--plain-http', '--force', `${pushed}@${digest}`);

    await assert.rejects(oras('manifest', 'fetch', '--plain-http', `${pushed}@${digest}`));
  });

  it('pulls an artifact through the node cold, warm and with the upstream gone', async () => {
    await using world = await startWorld();
    const oras = await toolIn(world, 'oras');
    await pushArtifact(oras, `${world.ghcr.host}/team/artifact:1`);
    const cached = `${world.node.host}/ghcr.io/team/artifact:1`;

    await pullsColdWarmAndOffline(world, {
      upstream: world.ghcr,
      repository: 'team/artifact',
      tag: '1',
      async pull() {
        await oras('pull', '--plain-http', '--output', 'back', cached);
        return oras('resolve', '--plain-http', cached);
      },
    });
    assert.equal(
      await readFile(oras.at('back/a.txt'), 'utf8'),
      `${world.ghcr.host}/team/artifact:1`,
    );
  });

  it('discovers upstream referrers through the node, and again with the upstream gone', async () => {
    await using world = await startWorld();
    const oras = await toolIn(world, 'oras');
    await pushArtifact(oras, `${world.ghcr.host}/team/artifact:1`);
    const attached = await attachSbom(oras, `${world.ghcr.host}/team/artifact:1`);
    const cached = `${world.node.host}/ghcr.io/team/artifact:1`;
    const layout = ['--from-plain-http', '--to-oci-layout', '--recursive'];

    assert.deepEqual(await referrersOf(oras, cached), [attached]);
    await oras('cp', ...layout, cached, `${oras.at('online')}:1`);

    await world.stopUpstreams();
    assert.deepEqual(await referrersOf(oras, cached), [attached]);
    await oras('cp', ...layout, cached, `${oras.at('offline')}:1`);
  });
});

/** oras, logged in at the node as its admin. */
async function loggedIn(world: World): Promise<Tool> {
  const oras = await toolIn(world, 'oras');
  const login = ['login', '--plain-http', '-u', 'admin', '--password-stdin', world.node.host];
  await oras.given(world.node.adminPassword, ...login);
  return oras;
}

/** Pushes a file that holds the reference it is pushed to; returns the manifest's digest. */
async function pushArtifact(oras: Tool, reference: string): Promise<string> {
  await writeFile(oras.at('a.txt'), reference);
  return oras(
    'push',
    '--plain-http',
    '--artifact-type',
    CHART_OF_ICE,
    '--format',
    'go-template={{.digest}}',
    reference,
    'a.txt:text/plain',
  );
}

async function attachSbom(oras: Tool, subject: string): Promise<string> {
  await writeFile(oras.at('sbom.json'), '{}');
  return oras(
    'attach',
    '--plain-http',
    '--artifact-type',
    SBOM,
    '--format',
    'go-template={{.digest}}',
    subject,
    'sbom.json:application/json',
  );
}

const Discovered = z.object({ referrers: z.array(z.object({ digest: z.string() })).nullish() });

async function referrersOf(
  oras: Tool,
  subject: string,
  artifactType?: string,
): Promise<readonly string[]> {
  const filter = artifactType === undefined ? [] : ['--artifact-type', artifactType];
  const output = await oras('discover', '--plain-http', '--format', 'json', ...filter, subject);
  const { referrers } = Discovered.parse(JSON.parse(output));
  return (referrers ?? []).map(({ digest }) => digest);
}
