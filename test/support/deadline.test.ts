import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Deadline } from './deadline.ts';
import { until } from './until.ts';

const STOPPED_MS = 2_000;

/** Stops itself, and says at last whether a deadline of less than that is over. */
const STOPS = `
  import { setTimeout as delay } from 'node:timers/promises';
  import { Deadline } from '${import.meta.resolve('./deadline.ts')}';
  const began = performance.now();
  using deadline = new Deadline(${STOPPED_MS - 100});
  process.kill(process.pid, 'SIGSTOP');
  await delay(50);
  console.log(JSON.stringify({ tookMs: performance.now() - began, isOver: deadline.isOver() }));
`;

describe('a deadline of a test', () => {
  it('is over once its time has passed, however seldom somebody looks', async () => {
    using deadline = new Deadline(1_000);
    assert.equal(deadline.isOver(), false);

    // Not one wait: the machine may stand still in it.
    for (let i = 0; i < 12; i += 1) await delay(100);

    assert.equal(deadline.isOver(), true);
  });

  it('is over at once after a loop that was as busy', () => {
    using deadline = new Deadline(1_000);

    const began = workedMs();
    while (workedMs() < began + 1_050);

    assert.equal(deadline.isOver(), true);
  });

  it('is not over because the process was stopped', async () => {
    const child = spawn(process.execPath, ['--input-type=module', '--eval', STOPS], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    using _ = { [Symbol.dispose]: () => child.kill('SIGKILL') };
    const said = text(child.stdout);
    await until(() => stateOf(child.pid ?? 0) === 'T', { withinMs: 30_000 });
    await delay(STOPPED_MS);
    child.kill('SIGCONT');

    const { tookMs, isOver } = JSON.parse(await said);

    assert.ok(tookMs >= STOPPED_MS - 100, `it took ${tookMs} ms`);
    assert.equal(isOver, false);
  });
});

/** `T` of one that is stopped (proc(5), `stat`). */
function stateOf(pid: number): string | undefined {
  return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.[0];
}

/** The processor time of this thread alone, of which no more passes than time. */
function workedMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}
