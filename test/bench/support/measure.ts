import { readFileSync } from 'node:fs';
import { get } from 'node:http';
import { clientEnvironment, must } from '../../interop/support/processes.ts';
import { LINK } from './namespaces.ts';

export const MIB = 1 << 20;
export const GIB = 1 << 30;
const TICKS_A_SECOND = 100;
// Without it docker-registry 2.8 answers 404 for an OCI manifest.
const ACCEPT = 'Accept: application/vnd.oci.image.manifest.v1+json';

/** User and system seconds that a process has used since it started. */
export function cpuSecondsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / TICKS_A_SECOND;
}

/** Bytes of frames that came over the link from the upstream since it was made. */
export function linkBytes(): number {
  return Number(readFileSync(`/sys/class/net/${LINK}/statistics/rx_bytes`, 'utf8'));
}

export interface LoadResult {
  readonly requestsASecond: number;
  readonly bytes: number;
}

/** Loads `url` from the processor that the servers do not use. @throws when any answer is not 2xx */
export async function load(
  url: string,
  {
    connections,
    seconds,
    authorization,
  }: { connections: number; seconds: number; authorization?: string | undefined },
): Promise<LoadResult> {
  const report = await must(
    'taskset',
    [
      '-c',
      '1',
      'wrk',
      '-t1',
      `-c${connections}`,
      `-d${seconds}s`,
      '--timeout',
      '30s',
      '-H',
      ACCEPT,
      ...(authorization === undefined ? [] : ['-H', `Authorization: ${authorization}`]),
      url,
    ],
    { env: clientEnvironment('/tmp') },
  );
  if (/Non-2xx|Socket errors: connect [1-9]/.test(report)) throw new Error(`${url}\n${report}`);
  const requests = /Requests\/sec:\s+([\d.]+)/.exec(report)?.[1];
  const [, amount, unit = 'B'] = /, ([\d.]+)(\w+) read/.exec(report) ?? [];
  const units: Record<string, number> = { B: 1, KB: 1 << 10, MB: MIB, GB: GIB };
  if (requests === undefined || amount === undefined) throw new Error(report);
  return { requestsASecond: Number(requests), bytes: Number(amount) * (units[unit] ?? 1) };
}

export interface Download {
  readonly firstByteMs: number;
  readonly totalMs: number;
  readonly bytes: number;
}

/** One plain download, timed from the request to its first and last byte. */
export function download(url: string): Promise<Download> {
  const started = performance.now();
  return new Promise((resolve, reject) => {
    get(url, { agent: false }, (response) => {
      let firstByteMs: number | undefined;
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        firstByteMs ??= performance.now() - started;
        bytes += chunk.length;
      });
      response.on('error', reject);
      response.on('end', () => {
        if (response.statusCode !== 200) {
          reject(new Error(`${url}: ${response.statusCode}`));
          return;
        }
        const totalMs = performance.now() - started;
        resolve({ firstByteMs: firstByteMs ?? totalMs, totalMs, bytes });
      });
    }).on('error', reject);
  });
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/**
 * Runs every contestant once a round, in another order each time, so that a drifting machine hurts all alike.
 *
 * @returns each contestant's results
 */
export async function interleaved<Name extends string, Result>(
  rounds: number,
  contestants: Readonly<Record<Name, () => Promise<Result>>>,
): Promise<(name: Name) => readonly Result[]> {
  const runs = Object.entries<() => Promise<Result>>(contestants);
  const results = new Map<string, Result[]>(runs.map(([name]) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    const offset = round % runs.length;
    for (const [name, measure] of [...runs.slice(offset), ...runs.slice(0, offset)]) {
      results.get(name)?.push(await measure());
    }
  }
  return (name) => results.get(name) ?? [];
}
