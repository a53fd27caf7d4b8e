import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { run } from './support/processes.ts';
import { pythonWith } from './support/python.ts';
import { startRecorder } from './support/recorder.ts';
import { operationsMissedBy, startWalkedWorld } from './support/walk.ts';

/** What no request of the walk carries out, and why. */
const NOT_CARRIED_OUT: Readonly<Record<string, string>> = {
  actionGetJobLog: 'harborapi 0.26 has no method',
  actionPendingJobs: 'harborapi 0.26 has no method',
  getCert: 'walked and refused: the node has no certificate to hand out',
  getLogExts: 'harborapi 0.26 has no method',
  getSchedulePaused: 'harborapi 0.26 has no method',
  getWorkerPools: 'harborapi 0.26 has no method',
  getWorkers: 'harborapi 0.26 has no method',
  listAuditLogEventTypes: 'harborapi 0.26 has no method',
  listAuditLogExts: 'harborapi 0.26 has no method',
  listJobQueues: 'harborapi 0.26 has no method',
  listSchedules: 'harborapi 0.26 has no method',
  setCliSecret: 'walked and refused: for people who sign in elsewhere',
  stopRunningJob: 'harborapi 0.26 has no method',
};

describe('harborapi, a client of Harbor that others wrote', { timeout: 600_000 }, () => {
  it('walks every operation that it knows from create to delete', async (t) => {
    const python = await pythonWith('harborapi==0.26.2');
    await using world = await startWalkedWorld();
    await using recorder = await startRecorder(world.node.url);

    const { code, stdout, stderr } = await run(
      python,
      [join(import.meta.dirname, 'support/harborapi/walk.py')],
      {
        env: {
          HOME: world.at('.'),
          PYTHONDONTWRITEBYTECODE: '1',
          HARBOR_URL: `http://${recorder.host}/api/v2.0`,
          HARBOR_PASSWORD: world.node.adminPassword,
          UPSTREAM_URL: world.hub.url,
        },
      },
    );

    assert.equal(code, 0, `${stdout}\n${stderr}`);
    t.diagnostic(`${recorder.recorded.length} requests`);
    assert.deepEqual(await operationsMissedBy(recorder.recorded), Object.keys(NOT_CARRIED_OUT));
  });
});
