/** What a claim chooses from: turns and lanes that have something to do, and what their hosts allow. A few rows, however many tasks. */
import type { ExpressionBuilder } from 'kysely';
import type { WriteTransaction } from '../database/database.ts';
import type { Tables } from '../database/tables.ts';
import { stoppingExecutions } from './executions.ts';
import { BREAKS_AFTER, isAhead } from './hosts.ts';
import { EVERYTHING, type TurnName } from './shares.ts';
import { hostsOf } from './task.ts';

export interface Lane {
  readonly route: string;
  readonly hosts: readonly Host[];
  readonly isPaused: boolean;
  vtime: number;
  ready: number;
  /** The first of its tasks that this claim has not taken, as far as they were read; and the last that was read. */
  heads: Head[];
  read: number;
}

interface Head {
  readonly id: number;
  readonly cost: number;
}

/** What a queue has of one priority. */
export interface Turn extends TurnName {
  readonly lanes: Lane[];
  /** Executions of the queue that are being stopped: tasks of them may be ready still. */
  readonly stopping: readonly number[];
  vtime: number;
}

export interface Host {
  /** How many more tasks it may get now, and how many of these are kept for such as come before and lack room elsewhere. */
  room: number;
  kept: number;
  /** Whether one task at a time finds out how it is: whoever is first. */
  readonly isProbed: boolean;
}

type Rows = Pick<Tables, 'job_lanes' | 'job_turns' | 'job_queues'>;
const isBusy = (row: ExpressionBuilder<Rows, keyof Rows>) =>
  row.or([row('job_lanes.ready', '>', 0), row('job_lanes.running', '>', 0)]);

interface BoardOptions {
  readonly now: number;
  /** Tasks at once. */
  readonly mostPerHost: number;
}

export async function readBoard(
  transaction: WriteTransaction,
  { now, mostPerHost }: BoardOptions,
): Promise<readonly Turn[]> {
  const everything = await transaction
    .selectFrom('job_queues')
    .select('paused')
    .where('name', '=', EVERYTHING)
    .executeTakeFirst();
  if (everything?.paused === 1) return [];
  const rows = await transaction
    .selectFrom('job_lanes')
    .innerJoin('job_queues', 'job_queues.name', 'job_lanes.queue')
    .innerJoin('job_turns', (join) =>
      join
        .onRef('job_turns.queue', '=', 'job_lanes.queue')
        .onRef('job_turns.priority', '=', 'job_lanes.priority'),
    )
    .select(['job_lanes.route', 'job_lanes.ready', 'job_lanes.running', 'job_lanes.vtime'])
    .select(['job_turns.queue', 'job_turns.priority', 'job_turns.vtime as turnTime'])
    .select('job_queues.paused')
    .where(isBusy)
    .execute();
  const hosts = await readHosts(transaction, { now, mostPerHost });
  const stopped = Map.groupBy(await stoppingExecutions(transaction), (each) => each.queue);
  const turns = new Map<string, Turn>();
  for (const { queue, priority, turnTime, route, ready, running, vtime, paused } of rows) {
    const key = JSON.stringify([queue, priority]);
    const stopping = (stopped.get(queue) ?? []).map(({ id }) => id);
    const turn = turns.get(key) ?? { queue, priority, vtime: turnTime, lanes: [], stopping };
    turns.set(key, turn);
    const loaded = hostsOf(route).map(hosts);
    for (const host of loaded) host.room -= running;
    const isPaused = paused === 1;
    turn.lanes.push({ route, ready, vtime, isPaused, hosts: loaded, heads: [], read: 0 });
  }
  return [...turns.values()];
}

async function readHosts(
  transaction: WriteTransaction,
  { now, mostPerHost }: BoardOptions,
): Promise<(name: string) => Host> {
  const rows = await transaction.selectFrom('job_hosts').selectAll().execute();
  const hosts = new Map<string, Host>();
  for (const row of rows) {
    const isClosed =
      row.paused === 1 || isAhead(row.blocked_until, now) || isAhead(row.open_until, now);
    const isProbed = row.failures >= BREAKS_AFTER;
    const room = isClosed ? Number.NEGATIVE_INFINITY : isProbed ? 1 : mostPerHost;
    hosts.set(row.host, { room, kept: 0, isProbed });
  }
  return (name) => {
    const known = hosts.get(name) ?? { room: mostPerHost, kept: 0, isProbed: false };
    hosts.set(name, known);
    return known;
  };
}

export const isFree = ({ room, kept }: Host): boolean => room > kept;

export const mayBegin = ({ ready, isPaused, hosts }: Lane): boolean =>
  ready > 0 && !isPaused && hosts.every(isFree);

/** It would begin, but for the tasks that load one of its hosts now: these end. */
export const lacksRoomAlone = ({ ready, isPaused, hosts }: Lane): boolean =>
  ready > 0 &&
  !isPaused &&
  hosts.some(({ room }) => room <= 0) &&
  hosts.every(({ room }) => room !== Number.NEGATIVE_INFINITY);
