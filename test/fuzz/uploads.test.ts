import { describe, it } from 'node:test';
import { asyncModelRun, asyncProperty, commands } from 'fast-check';
import { until } from '../support/until.ts';
import { startFuzzNode } from './support/node.ts';
import { holds } from './support/runs.ts';
import { SEQUENTIAL } from './support/upload-commands.ts';
import { AT_ONCE } from './support/upload-commands-at-once.ts';
import { assertAll, newModel } from './support/upload-model.ts';

describe('whatever clients do with upload sessions', () => {
  it('keeps every acknowledged byte, and shows nothing before it is whole', async () => {
    await using node = await startFuzzNode();

    await holds(
      asyncProperty(
        commands([...SEQUENTIAL, ...AT_ONCE], { maxCommands: 25, size: '+1' }),
        async (steps) => {
          const model = newModel();
          const before = new Set(await node.staged());
          await asyncModelRun(() => ({ model, real: node }), steps);
          await assertAll(node, model);
          await until(async () => new Set(await node.staged()).isSubsetOf(before));
        },
      ),
      0.1,
    );
  });
});
