import { type ExpressionBuilder, sql } from 'kysely';
import type { WriteTransaction } from '../database/database.ts';
import type { Tables } from '../database/tables.ts';
import { BREAKS_AFTER } from './hosts.ts';
import { chargeOf } from './shares.ts';
import { Tally } from './tally.ts';
import { type ClaimedTask, hostsOf } from './task.ts';

export interface ClaimOptions {
  /** At most so many tasks. */
  readonly most: number;
  /** At most so many at one host, over all processes. */
  readonly mostPerHost: number;
  /** Where the process runs, and which start of it this is. */
  readonly instance: string;
  readonly boot: string;
  readonly leaseMs: number;
  readonly now: number;
}

/** Delayed tasks whose time has come, made ready by one claim. */
const MOST_PROMOTED = 100;

/**
 * Takes the tasks that are next, fair by bytes between queues, and in a queue by priority and then fair between its lanes. What it costs depends on
 * how many lanes have something to do, never on how many tasks.
 */
export async function claimTasks(
  transaction: WriteTransaction,
  options: ClaimOptions,
): Promise<readonly ClaimedTask[]> {
  await promoteDelayed(transaction, options.now);
  const board = await readBoard(transaction, options);
  const chosen = await choose(transaction, board, options);
  if (chosen.length === 0) return [];
  const claimed = await transaction
    .updateTable('tasks')
    .set((row) => ({
      state: 'running' as const,
      epoch: row('epoch', '+', 1),
      attempts: row('attempts', '+', 1),
      progress: 0,
      run_at: null,
      lease_instance: options.instance,
      lease_boot: options.boot,
      lease_until: options.now + options.leaseMs,
      started_at: row.fn.coalesce('started_at', sql<number>`cast(${options.now} as bigint)`),
    }))
    .where('id', 'in', chosen)
    // Another process may have been faster.
    .where('state', '=', 'ready')
    .returningAll()
    .execute();
  const tally = new Tally();
  for (const task of claimed) {
    tally.moved(task, 'ready', 'running');
    tally.charged(task, chargeOf(task.cost));
  }
  await tally.write(transaction, options.now);
  return claimed.toSorted((left, right) => chosen.indexOf(left.id) - chosen.indexOf(right.id));
}

/** Whether a claim may find anything: asked of the reader, so that idle workers write nothing. */
export async function mayClaim(
  queries: Pick<WriteTransaction, 'selectFrom'>,
  now: number,
): Promise<boolean> {
  const ready = await queries
    .selectFrom('job_lanes')
    .select('queue')
    .where('ready', '>', 0)
    .limit(1)
    .executeTakeFirst();
  if (ready !== undefined) return true;
  const delayed = await dueTasks(queries, now, 1).executeTakeFirst();
  return delayed !== undefined;
}

function dueTasks(queries: Pick<WriteTransaction, 'selectFrom'>, now: number, most: number) {
  return queries
    .selectFrom('tasks')
    .select('id')
    .where('state', '=', sql.lit('delayed'))
    .where('run_at', '<=', now)
    .orderBy('run_at')
    .limit(most);
}

async function promoteDelayed(transaction: WriteTransaction, now: number): Promise<void> {
  const due = await dueTasks(transaction, now, MOST_PROMOTED).execute();
  if (due.length === 0) return;
  const promoted = await transaction
    .updateTable('tasks')
    .set({ state: 'ready', run_at: null })
    .where(
      'id',
      'in',
      due.map(({ id }) => id),
    )
    .where('state', '=', 'delayed')
    .returning(['execution', 'queue', 'route'])
    .execute();
  const tally = new Tally();
  for (const task of promoted) tally.moved(task, 'delayed', 'ready');
  await tally.write(transaction, now);
}

interface Lane {
  readonly queue: Queue;
  readonly route: string;
  readonly hosts: readonly Host[];
  vtime: number;
  ready: number;
}

interface Queue {
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

interface Board {
  readonly queues: readonly Queue[];
}

type Rows = Pick<Tables, 'job_lanes' | 'job_queues'>;
const isBusy = (row: ExpressionBuilder<Rows, 'job_lanes' | 'job_queues'>) =>
  row.or([row('job_lanes.ready', '>', 0), row('job_lanes.running', '>', 0)]);

async function readBoard(
  transaction: WriteTransaction,
  { now, mostPerHost }: ClaimOptions,
): Promise<Board> {
  const everything = await transaction
    .selectFrom('job_queues')
    .select('paused')
    .where('name', '=', EVERYTHING)
    .executeTakeFirst();
  if (everything?.paused === 1) return { queues: [] };
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
    queue.lanes.push({ queue, route, ready, vtime, hosts: loaded });
  }
  return { queues: [...queues.values()] };
}

/** Of all tasks together. */
const EVERYTHING = '';

async function readHosts(
  transaction: WriteTransaction,
  { now, mostPerHost }: Pick<ClaimOptions, 'now' | 'mostPerHost'>,
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

const mayBegin = ({ queue, ready, hosts }: Lane): boolean =>
  ready > 0 &&
  !queue.paused &&
  queue.running < queue.mostRunning &&
  hosts.every(({ room }) => room > 0);

/** Ids, in order. */
async function choose(
  transaction: WriteTransaction,
  { queues }: Board,
  { most }: ClaimOptions,
): Promise<readonly number[]> {
  const chosen: number[] = [];
  const heads = new Map<Lane, Head[]>();
  const open = queues.filter(({ lanes }) => lanes.some(mayBegin));
  await liftThoseBehind(transaction, queues, open);
  while (chosen.length < most) {
    const queue = leastOf(open.filter(({ lanes }) => lanes.some(mayBegin)));
    if (queue === undefined) break;
    const lanes = queue.lanes.filter(mayBegin);
    for (const lane of lanes) {
      if (!heads.has(lane)) heads.set(lane, await headsOf(transaction, lane, most));
    }
    const lane = bestOf(lanes, heads);
    const head = lane === undefined ? undefined : heads.get(lane)?.shift();
    // A claim of another process that is not committed yet has them.
    if (lane === undefined || head === undefined) {
      for (const empty of lanes) empty.ready = 0;
      continue;
    }
    chosen.push(head.id);
    charge(lane, chargeOf(head.cost));
  }
  return chosen;
}

interface Head {
  readonly id: number;
  readonly priority: number;
  readonly cost: number;
}

async function headsOf(
  transaction: WriteTransaction,
  { queue, route }: Lane,
  most: number,
): Promise<Head[]> {
  return transaction
    .selectFrom('tasks')
    .select(['id', 'priority', 'cost'])
    .where('queue', '=', queue.name)
    .where('route', '=', route)
    .where('state', '=', sql.lit('ready'))
    .orderBy('priority', 'desc')
    .orderBy('id')
    .limit(most)
    .execute();
}

/** The lane of the highest priority; of several, the one that is least far. */
function bestOf(
  lanes: readonly Lane[],
  heads: ReadonlyMap<Lane, readonly Head[]>,
): Lane | undefined {
  const priorityOf = (lane: Lane): number =>
    heads.get(lane)?.[0]?.priority ?? Number.NEGATIVE_INFINITY;
  const highest = Math.max(...lanes.map(priorityOf));
  if (highest === Number.NEGATIVE_INFINITY) return undefined;
  return leastOf(lanes.filter((lane) => priorityOf(lane) === highest));
}

function leastOf<T extends { readonly vtime: number }>(candidates: readonly T[]): T | undefined {
  let least: T | undefined;
  for (const each of candidates) if (least === undefined || each.vtime < least.vtime) least = each;
  return least;
}

function charge(lane: Lane, bytes: number): void {
  lane.ready -= 1;
  lane.vtime += bytes;
  lane.queue.running += 1;
  lane.queue.vtime += bytes / lane.queue.weight;
  for (const host of lane.hosts) host.room -= 1;
}

/** Who may not begin anything now (paused, blocked, at its limit) gathers no credit meanwhile. */
async function liftThoseBehind(
  transaction: WriteTransaction,
  queues: readonly Queue[],
  open: readonly Queue[],
): Promise<void> {
  const least = leastOf(open)?.vtime;
  if (least === undefined) return;
  const behind = queues.filter((queue) => !open.includes(queue) && queue.vtime < least);
  if (behind.length === 0) return;
  await transaction
    .updateTable('job_queues')
    .set({ vtime: least })
    .where(
      'name',
      'in',
      behind.map(({ name }) => name),
    )
    .where('vtime', '<', least)
    .execute();
}
