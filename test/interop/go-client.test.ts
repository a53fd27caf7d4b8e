import assert from 'node:assert/strict';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { must, run } from './support/processes.ts';
import { startRecorder } from './support/recorder.ts';
import { operationsMissedBy, startWalkedWorld } from './support/walk.ts';

/** What no request of the walk carries out, and why. */
const NOT_CARRIED_OUT: Readonly<Record<string, string>> = {
  getCert: 'walked and refused: the node has no certificate to hand out',
  setCliSecret: 'walked and refused: for people who sign in elsewhere',
};

/** Cold, with what it fetches. Go keeps what it has built. */
const BUILD_MS = 600_000;

describe("Harbor's own Go SDK, which harbor-cli is made of", { timeout: 900_000 }, () => {
  it('walks every operation from create to delete', async (t) => {
    await using world = await startWalkedWorld();
    const program = world.at('go-client-walk');
    await must('go', ['build', '-trimpath', '-buildvcs=false', '-o', program, '.'], {
      cwd: join(import.meta.dirname, 'support/go-client'),
      env: {
        ...Object.fromEntries(
          Object.entries(process.env).filter(([name]) => name.startsWith('GO')),
        ),
        PATH: process.env['PATH'] ?? '',
        HOME: homedir(),
        CGO_ENABLED: '0',
      },
      timeoutMs: BUILD_MS,
    });
    await using recorder = await startRecorder(world.node.url);

    const { code, stdout, stderr } = await run(program, [], {
      env: {
        HARBOR_URL: `http://${recorder.host}/api/v2.0`,
        HARBOR_PASSWORD: world.node.adminPassword,
        UPSTREAM_URL: world.hub.url,
      },
    });

    assert.equal(code, 0, stdout + stderr);
    t.diagnostic(`${recorder.recorded.length} requests`);
    assert.deepEqual(await operationsMissedBy(recorder.recorded), Object.keys(NOT_CARRIED_OUT));
  });
});
