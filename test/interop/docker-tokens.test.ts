import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type Docker, startDockerd } from './support/engines.ts';
import { type Recorded, startRecorder } from './support/recorder.ts';
import { startWorld } from './support/world.ts';

const FIXTURE = join(import.meta.dirname, '../http/fixtures/docker-token-requests.json');

describe('docker', { timeout: 300_000 }, () => {
  it('asks the token service what the fixture says that it asks', async () => {
    await using world = await startWorld();
    await world.publish(world.hub, 'library/x');
    await using engine = await startDockerd(world.at('engine'));
    await using recorder = await startRecorder(world.node.url);
    const askedBy = async (work: () => Promise<unknown>) => {
      const before = recorder.recorded.length;
      await work();
      return tokenRequestsIn(recorder.recorded.slice(before));
    };
    await engine.docker('pull', `${world.hub.host}/library/x`);
    const tag = (name: string) =>
      engine.docker('tag', `${world.hub.host}/library/x`, `${recorder.host}/local/${name}`);
    const push = (name: string) => engine.docker('push', `${recorder.host}/local/${name}`);
    await tag('x');
    await tag('y');

    const found = {
      anonymousPush: await askedBy(() => push('x').catch(() => {})),
      login: await askedBy(() => login(engine, recorder.host, world.node.adminPassword)),
      push: await askedBy(() => push('x')),
      pushWithMount: await askedBy(() => push('y')),
    };

    const { from: _engine, ...asked } = JSON.parse(await readFile(FIXTURE, 'utf8'));
    assert.deepEqual(found, asked);
  });
});

const login = (engine: Docker, host: string, password: string): Promise<string> =>
  engine.docker('login', '-u', 'admin', '-p', password, host);

/** What is the same each time, and each once: how often docker asks depends on how fast it is. */
function tokenRequestsIn(recorded: readonly Recorded[]): readonly unknown[] {
  const asked = recorded
    .filter(({ path }) => path === '/service/token')
    .map(({ method, query, headers, body }) => {
      const form = new URLSearchParams(body);
      if (form.has('refresh_token')) form.set('refresh_token', 'REFRESH-TOKEN');
      return {
        method,
        query: new URLSearchParams(query.map(([name, value]) => [name, value])).toString(),
        authorization: headers.authorization?.split(' ')[0] ?? '',
        contentType: headers['content-type'] ?? '',
        form: form.toString(),
      };
    })
    .map((request) => JSON.stringify(request));
  return [...new Set(asked)].map((text): unknown => JSON.parse(text));
}
