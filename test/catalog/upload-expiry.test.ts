import assert from 'node:assert/strict';
import { mkdir, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { maintenanceFailed } from '../../src/telemetry/channels.ts';
import { databases } from '../support/databases.ts';
import { HOUR, openWorld } from './world.ts';

const app = 'local/app';

for (const engine of databases) {
  describe(`upload expiry on ${engine.name}`, () => {
    it('tells which session cannot be removed, and removes the others', async () => {
      await using world = await openWorld(engine);
      const caller = { caller: 'alice', algorithm: 'sha256' } as const;
      const stuck = await world.uploads.start(app, caller);
      const inTheWay = join(world.path, 'staging', stuck.id);
      await mkdir(inTheWay);
      world.clock.at += 1;
      const idle = await world.uploads.start(app, caller);
      world.clock.at += HOUR;
      const failures: string[] = [];
      using _ = maintenanceFailed.subscribe(({ work }) => failures.push(work));

      assert.equal(await world.uploads.expire(world.clock.at), 1);

      assert.deepEqual(failures, ['upload expiry']);
      await assert.rejects(world.uploads.status(app, { ...idle, caller: 'alice' }), {
        code: 'BLOB_UPLOAD_UNKNOWN',
      });
      await rmdir(inTheWay);
      assert.equal(await world.uploads.expire(world.clock.at), 1);
    });
  });
}
