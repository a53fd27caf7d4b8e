import { sql } from 'kysely';
import type { WriteTransaction } from '../database/database.ts';
import { locksRows } from '../database/row-locks.ts';
import { type Lane, mayBegin, type Turn } from './board.ts';
import { chargeOf, type LaneName } from './shares.ts';

/** Read of a lane at once: a claim rarely takes more of one. */
const HEADS = 2;

/** The ids of at most `most` tasks that are next, in order: those of the highest priority first, fair between queues of one priority and between the lanes of a queue. */
export async function chooseTasks(
  transaction: WriteTransaction,
  turns: readonly Turn[],
  most: number,
): Promise<readonly number[]> {
  const chosen: number[] = [];
  const byPriority = Map.groupBy(turns, ({ priority }) => priority);
  for (const priority of [...byPriority.keys()].toSorted((left, right) => right - left)) {
    const alike = byPriority.get(priority) ?? [];
    // Once those before them have the room that they want.
    if (chosen.length < most)
      chosen.push(...(await chooseAmong(transaction, alike, most - chosen.length)));
  }
  return chosen;
}

/** Of turns of one priority. */
async function chooseAmong(
  transaction: WriteTransaction,
  turns: readonly Turn[],
  most: number,
): Promise<readonly number[]> {
  const chosen: number[] = [];
  const lifted = new Set<Turn>();
  const open = turns.filter(isOpen);
  let reached = 0;
  while (chosen.length < most) {
    const turn = leastOf(open.filter(isOpen));
    if (turn === undefined) break;
    const lanes = turn.lanes.filter(mayBegin);
    if (!lifted.has(turn)) await liftLanesBehind(transaction, turn, lanes);
    lifted.add(turn);
    const lane = leastOf(lanes);
    if (lane === undefined) continue;
    if (lane.heads.length === 0) await readHeads(transaction, { ...turn, route: lane.route }, lane);
    const head = lane.heads.shift();
    if (head === undefined) continue;
    chosen.push(head.id);
    reached = turn.vtime;
    charge(turn, lane, chargeOf(head.cost));
  }
  const closed = turns.filter((turn) => !open.includes(turn));
  await liftThoseBehind(transaction, closed, reached);
  return chosen;
}

const isOpen = ({ lanes }: Turn): boolean => lanes.some(mayBegin);

async function readHeads(
  transaction: WriteTransaction,
  { queue, priority, route }: LaneName,
  lane: Lane,
): Promise<void> {
  const heads = transaction
    .selectFrom('tasks')
    .select(['id', 'cost'])
    .where('queue', '=', queue)
    .where('route', '=', route)
    .where('priority', '=', priority)
    .where('state', '=', sql.lit('ready'))
    .orderBy('id')
    .limit(HEADS)
    .offset(lane.taken);
  // Those that a claim of another process has in hand are left to it.
  const free = locksRows(transaction) ? heads.forUpdate().skipLocked() : heads;
  lane.heads = await free.execute();
  if (lane.heads.length === 0) lane.ready = 0;
}

function leastOf<T extends { readonly vtime: number }>(candidates: readonly T[]): T | undefined {
  let least: T | undefined;
  for (const each of candidates) if (least === undefined || each.vtime < least.vtime) least = each;
  return least;
}

function charge(turn: Turn, lane: Lane, bytes: number): void {
  lane.ready -= 1;
  lane.taken += 1;
  lane.vtime += bytes;
  turn.vtime += bytes;
  for (const host of lane.hosts) host.room -= 1;
}

/** Of turns of one priority: who may not begin anything now (paused, blocked, its host taken by a higher one) gathers no credit meanwhile. */
async function liftThoseBehind(
  transaction: WriteTransaction,
  closed: readonly Turn[],
  vtime: number,
): Promise<void> {
  const behind = closed.filter((turn) => turn.vtime < vtime);
  const [first] = behind;
  if (first === undefined) return;
  await transaction
    .updateTable('job_turns')
    .set({ vtime })
    .where('priority', '=', first.priority)
    .where(
      'queue',
      'in',
      behind.map(({ queue }) => queue),
    )
    .where('vtime', '<', vtime)
    .execute();
}

/** The same among the lanes of a turn. */
async function liftLanesBehind(
  transaction: WriteTransaction,
  { queue, priority, lanes }: Turn,
  open: readonly Lane[],
): Promise<void> {
  const least = leastOf(open)?.vtime ?? 0;
  const behind = lanes.filter((lane) => !open.includes(lane) && lane.vtime < least);
  if (behind.length === 0) return;
  await transaction
    .updateTable('job_lanes')
    .set({ vtime: least })
    .where('queue', '=', queue)
    .where('priority', '=', priority)
    .where(
      'route',
      'in',
      behind.map(({ route }) => route),
    )
    .where('vtime', '<', least)
    .execute();
}
