import { readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { run } from '../interop/support/processes.ts';

export interface ConformanceRun {
  readonly exitCode: number;
  readonly stdout: string;
  /** What it found wrong, for a person to read. */
  readonly complaints: string;
  readonly counts: Counts;
  /** By the root of junit.xml. */
  readonly suiteTotals: Readonly<Record<(typeof TOTALS)[number], number>>;
  /** Names of the test cases in junit.xml that did not pass and were not skipped. */
  readonly failures: readonly string[];
  /** The switches it ran with, by results.yaml. */
  readonly configuration: unknown;
  /** Where report.html is, which has every request and answer. */
  readonly report: string;
}

export interface Counts {
  readonly passed: number;
  readonly skipped: number;
  readonly disabled: number;
  readonly failed: number;
  readonly errors: number;
}

const TOTALS = ['failures', 'errors', 'skipped', 'disabled'] as const;

const Results = z.object({
  config: z.object({ apis: z.unknown(), data: z.unknown(), roData: z.unknown() }),
});

/**
 * Runs the program once. The results of an earlier run are removed first; those of this one stay in
 * `<tmp>/portolan-conformance/<version>` to be read.
 *
 * @throws Error if it leaves out one of its three result files, or leaves one empty
 */
export async function runConformance(
  program: string,
  options: {
    registry: string;
    credentials: { username: string; password: string };
    version: '1.1' | 'dev';
  },
): Promise<ConformanceRun> {
  const results = join(tmpdir(), 'portolan-conformance', options.version);
  await rm(results, { recursive: true, force: true });
  const { code, stdout, stderr } = await run(program, [], {
    env: {
      PATH: '/usr/bin:/bin',
      OCI_REGISTRY: options.registry,
      OCI_TLS: 'disabled',
      OCI_REPO1: 'conformance/repo1',
      OCI_REPO2: 'conformance/repo2',
      OCI_USERNAME: options.credentials.username,
      OCI_PASSWORD: options.credentials.password,
      OCI_VERSION: options.version,
      OCI_RESULTS_DIR: results,
      OCI_DATA_SPARSE: 'true',
    },
    cwd: tmpdir(),
    timeoutMs: 60_000,
  });
  const yaml = await written(results, 'results.yaml');
  const junit = await written(results, 'junit.xml');
  await written(results, 'report.html');
  return {
    exitCode: code,
    stdout,
    complaints: complaintsIn(stdout) + stderr,
    counts: countsIn(stdout),
    suiteTotals: suiteTotalsIn(junit),
    failures: failuresIn(junit),
    configuration: Results.parse(parse(yaml)).config,
    report: join(results, 'report.html'),
  };
}

async function written(folder: string, name: string): Promise<string> {
  const content = await readFile(join(folder, name), 'utf8');
  if (content.trim() === '') throw new Error(`${name} is empty`);
  return content;
}

/** The summary's lines look like `  Pass..........................:        734`. */
function countsIn(stdout: string): Counts {
  const count = (label: string): number =>
    Number(new RegExp(`^ *${label}\\.+: +(\\d+)$`, 'm').exec(stdout)?.[1] ?? Number.NaN);
  return {
    passed: count('Pass'),
    skipped: count('Skip'),
    disabled: count('Disabled'),
    failed: count('FAIL'),
    errors: count('Error'),
  };
}

/** Lines of tests that did not pass, with what is said of them. */
function complaintsIn(stdout: string): string {
  const lines = stdout.split('\n');
  return `${lines.filter((line) => /: (FAIL|Error)$|^ +- /.test(line)).join('\n')}\n`;
}

function suiteTotalsIn(junit: string): Record<(typeof TOTALS)[number], number> {
  const root = /<testsuites ([^>]*)>/.exec(junit)?.[1] ?? '';
  // An attribute that is left out is a zero, as the program writes it.
  const total = (name: string): number =>
    Number(new RegExp(`\\b${name}="(\\d+)"`).exec(root)?.[1] ?? (root === '' ? Number.NaN : 0));
  return {
    failures: total('failures'),
    errors: total('errors'),
    skipped: total('skipped'),
    disabled: total('disabled'),
  };
}

function failuresIn(junit: string): readonly string[] {
  const cases = junit.matchAll(/<testcase ([^>]*)>/g);
  return Array.from(cases, ([, attributes]) => attributes ?? '').filter((attributes) =>
    /status="(failure|error)"/.test(attributes),
  );
}
