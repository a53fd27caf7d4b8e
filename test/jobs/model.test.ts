import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { holds } from '../fuzz/support/runs.ts';
import { databases } from '../support/databases.ts';
import { commands } from './support/commands.ts';
import { allIsDoneOnce, newModel, type Real } from './support/model.ts';
import { finish } from './support/steps.ts';
import { START } from './world.ts';

/** Of the runs of all fuzz tests. */
const SHARE = 0.15;

describe('the queue, whatever happens to those who work on it', () => {
  it('loses no task, runs none twice at once, and does each once', async () => {
    const [engine] = databases;
    assert.ok(engine);

    const property = fc.asyncProperty(
      fc.commands(commands, { maxCommands: 60, size: 'max' }),
      async (steps) => {
        await using database = await engine.open();
        const real: Real = { database, clock: { at: START } };
        const model = newModel();

        await fc.asyncModelRun(() => ({ model, real }), steps);
        await finish(model, real);

        await allIsDoneOnce(real);
      },
    );

    await holds(property, SHARE);
  });
});
