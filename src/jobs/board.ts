/** What a claim chooses from: queues and lanes that have something to do, and what their hosts allow. A few rows, however many tasks. */
import type { ExpressionBuilder } from 'kysely';
import type { WriteTransaction } from '../database/database.ts';
import type { Tables } from '../database/tables.ts';
import { BREAKS_AFTER } from './hosts.ts';
import { EVERYTHING } from './shares.ts';
import { hostsOf } from './task.ts';

export interface Lane {
  readonly queue: Queue;
  readonly route: string;
  readonly hosts: readonly Host[];
  vtime: number;
  ready: number;
  /** Of its tasks, by this claim. */
  taken: number;
  /** The first of those that are left, as far as they were read. */
  heads: Head[];
}

interface Head {
  readonly id: number;
  readonly priority: number;
  readonly cost: number;
}

export interface Queue {
  readonly name: string;
  readonly weight: number;
  readonly paused: boolean;
  readonly mostRunning: number;
  readonly lanes: Lane[];
  vtime: number;
  running: number;
}

interface Host {
  /** How many more tasks it may get now. */
  room: number;
}

type Rows = Pick<Tables, 'job_lanes' | 'job_queues'>;
const isBusy = (row: ExpressionBuilder<Rows, 'job_lanes' | 'job_queues'>) =>
  row.or([row('job_lanes.ready', '>', 0), row('job_lanes.running', '>', 0)]);

interface BoardOptions {
  readonly now: number;
  /** Tasks at once. */
  readonly mostPerHost: number;
}

export async function readBoard(
  transaction: WriteTransaction,
  { now, mostPerHost }: BoardOptions,
): Promise<readonly Queue[]> {
  const everything = await transaction
    .selectFrom('job_queues')
    .select('paused')
    .where('name', '=', EVERYTHING)
    .executeTakeFirst();
  if (everything?.paused === 1) return [];
  const rows = await transaction
    .selectFrom('job_lanes')
    .innerJoin('job_queues', 'job_queues.name', 'job_lanes.queue')
    .select(['job_lanes.route', 'job_lanes.ready', 'job_lanes.running', 'job_lanes.vtime'])
    .select(['job_queues.name', 'job_queues.weight', 'job_queues.paused'])
    .select(['job_queues.vtime as queueTime', 'job_queues.most_running as mostRunning'])
    .where(isBusy)
    .execute();
  const hosts = await readHosts(transaction, { now, mostPerHost });
  const queues = new Map<string, Queue>();
  for (const row of rows) {
    const queue = queues.get(row.name) ?? {
      name: row.name,
      weight: row.weight,
      paused: row.paused === 1,
      mostRunning: row.mostRunning ?? Number.POSITIVE_INFINITY,
      lanes: [],
      vtime: row.queueTime,
      running: 0,
    };
    queues.set(row.name, queue);
    queue.running += row.running;
    const loaded = hostsOf(row.route).map(hosts);
    for (const host of loaded) host.room -= row.running;
    const { route, ready, vtime } = row;
    queue.lanes.push({ queue, route, ready, vtime, hosts: loaded, taken: 0, heads: [] });
  }
  return [...queues.values()];
}

async function readHosts(
  transaction: WriteTransaction,
  { now, mostPerHost }: BoardOptions,
): Promise<(name: string) => Host> {
  const rows = await transaction.selectFrom('job_hosts').selectAll().execute();
  const hosts = new Map<string, Host>();
  for (const row of rows) {
    const isClosed = row.paused === 1 || row.blocked_until > now || row.open_until > now;
    const most = row.failures >= BREAKS_AFTER ? 1 : mostPerHost;
    hosts.set(row.host, { room: isClosed ? Number.NEGATIVE_INFINITY : most });
  }
  return (name) => {
    const known = hosts.get(name) ?? { room: mostPerHost };
    hosts.set(name, known);
    return known;
  };
}

export const mayBegin = ({ queue, ready, hosts }: Lane): boolean =>
  ready > 0 &&
  !queue.paused &&
  queue.running < queue.mostRunning &&
  hosts.every(({ room }) => room > 0);
