import { writeFileSync } from 'node:fs';
import { must, run } from '../../interop/support/processes.ts';

/** Where the upstream answers, seen from the node's namespace. */
export const UPSTREAM_ADDRESS = '10.77.0.2';
const NODE_ADDRESS = '10.77.0.1';
/** The end of the link that lies in the node's namespace: its counters say what came over it. */
export const LINK = 'node0';

export interface Namespaces extends AsyncDisposable {
  /** The node, its peers and their clients. */
  readonly node: string;
  readonly upstream: string;
}

/**
 * Two hosts of our own with a link of 1 Gbit/s between them. TCP is reno in both: this kernel's default, bbr, paces
 * even the loopback and hides the limits (reference measurements of 2026-11-20).
 */
export async function createNamespaces(): Promise<Namespaces> {
  const names = { node: `portolan-n${process.pid}`, upstream: `portolan-u${process.pid}` };
  const namespaces: Namespaces = {
    ...names,
    async [Symbol.asyncDispose]() {
      await run('ip', ['netns', 'delete', names.node]);
      await run('ip', ['netns', 'delete', names.upstream]);
    },
  };
  for (const name of [names.node, names.upstream]) {
    await must('ip', ['netns', 'add', name]);
    await must('ip', ['-n', name, 'link', 'set', 'lo', 'up']);
    await must('ip', [
      'netns',
      'exec',
      name,
      'sysctl',
      '-q',
      '-w',
      'net.ipv4.tcp_congestion_control=reno',
    ]);
  }
  await must('ip', [
    'link',
    'add',
    LINK,
    'netns',
    names.node,
    'type',
    'veth',
    'peer',
    'name',
    'upstream0',
    'netns',
    names.upstream,
  ]);
  for (const [namespace, device, address] of [
    [names.node, LINK, NODE_ADDRESS],
    [names.upstream, 'upstream0', UPSTREAM_ADDRESS],
  ] as const) {
    await must('ip', ['-n', namespace, 'address', 'add', `${address}/24`, 'dev', device]);
    await must('ip', ['-n', namespace, 'link', 'set', device, 'up']);
  }
  await must('tc', [
    '-n',
    names.upstream,
    'qdisc',
    'add',
    'dev',
    'upstream0',
    'root',
    'tbf',
    'rate',
    '1gbit',
    'burst',
    '256kb',
    'latency',
    '50ms',
  ]);
  return namespaces;
}

/** Keeps this process, and what it starts from now on, on one processor. */
export async function pinTo(processor: number): Promise<void> {
  await must('taskset', ['-apc', String(processor), String(process.pid)]);
}

/** Writes the pages back and forgets clean ones, so that one contestant's dirty pages are not another's bill. */
export async function settleDisk(): Promise<void> {
  await must('sync', []);
  writeFileSync('/proc/sys/vm/drop_caches', '1');
}
