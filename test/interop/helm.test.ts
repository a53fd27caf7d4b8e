import assert from 'node:assert/strict';
import { mkdir, readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { type Tool, toolIn } from './support/tools.ts';
import { digestAt, downloadsFrom } from './support/wire.ts';
import { pullsColdWarmAndOffline, startWorld } from './support/world.ts';

describe('helm', { timeout: 300_000 }, () => {
  it('logs in, pushes a chart and pulls back the same archive', async () => {
    await using world = await startWorld();
    const helm = await toolIn(world, 'helm');
    const chart = await packageChart(helm);
    const login = ['registry', 'login', world.node.host, '-u', 'admin', '--password-stdin'];
    await helm.given(world.node.adminPassword, ...login, '--plain-http');

    await helm('push', chart, `oci://${world.node.host}/local/charts`, '--plain-http');

    const digest = await pullChart(helm, `${world.node.host}/local/charts/c`);
    assert.equal(await digestAt(world.node.url, 'local/charts/c', '0.2.0', world.admin), digest);
    assert.deepEqual(await readFile(helm.at('pulled/c-0.2.0.tgz')), await readFile(helm.at(chart)));
  });

  it('pulls a chart through the node cold, warm and with the upstream gone', async () => {
    await using world = await startWorld();
    const helm = await toolIn(world, 'helm');
    const chart = await packageChart(helm);
    await helm('push', chart, `oci://${world.ghcr.host}/charts`, '--plain-http');

    await pullsColdWarmAndOffline(world, {
      upstream: world.ghcr,
      repository: 'charts/c',
      tag: '0.2.0',
      pull: () => pullChart(helm, `${world.node.host}/ghcr.io/charts/c`),
    });

    assert.deepEqual(await readFile(helm.at('pulled/c-0.2.0.tgz')), await readFile(helm.at(chart)));
  });

  it('renders a chart by a version range, for which it lists the tags', async () => {
    await using world = await startWorld();
    const helm = await toolIn(world, 'helm');
    const chart = await packageChart(helm);
    await helm('push', chart, `oci://${world.ghcr.host}/charts`, '--plain-http');
    const cached = `oci://${world.node.host}/ghcr.io/charts/c`;

    const shown = await helm('show', 'chart', cached, '--version', '^0.2', '--plain-http');

    assert.match(shown, /^version: 0\.2\.0$/m);
    assert.ok(downloadsFrom(world.ghcr).length > 0);
  });
});

/** Makes `c-0.2.0.tgz` in helm's folder. */
async function packageChart(helm: Tool): Promise<string> {
  await mkdir(helm.at('pulled'), { recursive: true });
  await helm('create', 'c');
  await helm('package', 'c', '--version', '0.2.0');
  return 'c-0.2.0.tgz';
}

/** Pulls the chart's version 0.2.0 to `pulled/c-0.2.0.tgz`; returns the manifest's digest as helm says it. */
async function pullChart(helm: Tool, repository: string): Promise<string> {
  const pull = ['pull', `oci://${repository}`, '--version', '0.2.0', '--plain-http'];
  const { code, stdout, stderr } = await helm.attempt(...pull, '--destination', helm.at('pulled'));
  assert.equal(code, 0, stderr);
  return /^Digest: (\S+)$/m.exec(stdout + stderr)?.[1] ?? '';
}
