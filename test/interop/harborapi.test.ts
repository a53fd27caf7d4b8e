import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { run } from './support/processes.ts';
import { pythonWith } from './support/python.ts';
import { startWorld } from './support/world.ts';

describe('harborapi, a client of Harbor that others wrote', { timeout: 600_000 }, () => {
  it('walks every operation from create to delete', async () => {
    const python = await pythonWith('harborapi==0.26.2');
    await using world = await startWorld();

    const { code, stdout, stderr } = await run(
      python,
      [join(import.meta.dirname, 'support/harborapi_walk.py')],
      {
        env: {
          HOME: world.at('.'),
          HARBOR_URL: `${world.node.url}/api/v2.0`,
          HARBOR_PASSWORD: world.node.adminPassword,
        },
      },
    );

    assert.equal(code, 0, `${stdout}\n${stderr}`);
    assert.match(stdout, /walked \d+ operations/);
  });
});
