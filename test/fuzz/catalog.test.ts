import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { array, asyncProperty } from 'fast-check';
import { openWorld } from '../catalog/world.ts';
import { databases } from '../support/databases.ts';
import { assertConsistent, empty, factsOf } from './support/catalog-facts.ts';
import { CatalogModel } from './support/catalog-model.ts';
import { perform, STEPS } from './support/catalog-steps.ts';
import { poolOf } from './support/contents-pool.ts';
import { holds } from './support/runs.ts';

const SEQUENCES = array(STEPS, { maxLength: 40, size: '+1' });
const BATCHES = array(array(STEPS, { minLength: 1, maxLength: 5 }), { maxLength: 12 });
const pool = poolOf(0);

/** PGlite is five times slower, and has the same queries. */
const SHARES = { SQLite: 0.1, PGlite: 0.02 };

for (const engine of databases) {
  describe(`the catalog on ${engine.name}`, () => {
    it('has what the model has after any sequence of calls', async () => {
      await using world = await openWorld(engine);

      await holds(
        asyncProperty(SEQUENCES, async (steps) => {
          await empty(world, pool);
          const model = new CatalogModel(pool);
          for (const step of steps) {
            const expected = model.apply(step, world.clock.at);
            assert.equal(await perform(world, step, pool), expected, JSON.stringify(step));
          }

          assert.deepEqual(await factsOf(world), model.facts);
          await assertConsistent(world, pool);
        }),
        SHARES[engine.name],
      );
    });

    it('agrees with itself after calls that came at once', async () => {
      await using world = await openWorld(engine);

      await holds(
        asyncProperty(BATCHES, async (batches) => {
          await empty(world, pool);
          for (const steps of batches) {
            await Promise.all(steps.map((step) => perform(world, step, pool)));
          }

          await factsOf(world);
          await assertConsistent(world, pool);
        }),
        SHARES[engine.name] / 2,
      );
    });
  });
}
