/**
 * `npm run interop|faults [-- [--full] [name …]]`: the tests of one folder, one file at a time, since they start engines
 * and fill disks. `--full` asks for the long form (tests see `PORTOLAN_TEST_FORM=long`); names select files.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { parseArgs } from 'node:util';

const { values, positionals } = parseArgs({
  options: { full: { type: 'boolean', default: false } },
  allowPositionals: true,
});
const [folder = '', ...names] = positionals;
const patterns = names.length === 0 ? ['*'] : names.map((name) => `*${name}*`);

const runner = spawn(
  process.execPath,
  [
    '--test',
    '--test-concurrency=1',
    ...patterns.map((pattern) => `test/${folder}/**/${pattern}.test.ts`),
  ],
  {
    stdio: 'inherit',
    env: { ...process.env, PORTOLAN_TEST_FORM: values.full ? 'long' : 'short' },
  },
);
await once(runner, 'exit');
process.exitCode = runner.exitCode ?? 1;
