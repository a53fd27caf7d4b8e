import { sql } from 'kysely';
import type { WriteTransaction } from '../database/database.ts';
import { locksRows } from '../database/row-locks.ts';
import { type Lane, mayBegin, type Queue } from './board.ts';
import { chargeOf } from './shares.ts';

/** Read of a lane at once: a claim rarely takes more of one. */
const HEADS = 2;

/** The ids of at most `most` tasks that are next, in order: fair between queues; in one by priority, and fair between its lanes. */
export async function chooseTasks(
  transaction: WriteTransaction,
  queues: readonly Queue[],
  most: number,
): Promise<readonly number[]> {
  const chosen: number[] = [];
  const lifted = new Set<Queue>();
  const open = queues.filter(({ lanes }) => lanes.some(mayBegin));
  let reached = 0;
  while (chosen.length < most) {
    const queue = leastOf(open.filter(({ lanes }) => lanes.some(mayBegin)));
    if (queue === undefined) break;
    const lanes = queue.lanes.filter(mayBegin);
    if (!lifted.has(queue)) await liftLanesBehind(transaction, queue, lanes);
    lifted.add(queue);
    for (const lane of lanes) {
      if (lane.heads.length === 0) await readHeads(transaction, lane);
    }
    const lane = bestOf(lanes);
    const head = lane?.heads.shift();
    if (lane === undefined || head === undefined) continue;
    chosen.push(head.id);
    reached = queue.vtime;
    charge(lane, chargeOf(head.cost));
  }
  await liftThoseBehind(
    transaction,
    queues.filter((queue) => !open.includes(queue)),
    reached,
  );
  return chosen;
}

async function readHeads(transaction: WriteTransaction, lane: Lane): Promise<void> {
  const heads = transaction
    .selectFrom('tasks')
    .select(['id', 'priority', 'cost'])
    .where('queue', '=', lane.queue.name)
    .where('route', '=', lane.route)
    .where('state', '=', sql.lit('ready'))
    .orderBy('priority', 'desc')
    .orderBy('id')
    .limit(HEADS)
    .offset(lane.taken);
  // Those that a claim of another process has in hand are left to it.
  const free = locksRows(transaction) ? heads.forUpdate().skipLocked() : heads;
  lane.heads = await free.execute();
  if (lane.heads.length === 0) lane.ready = 0;
}

/** The lane of the highest priority; of several, the one that is least far. */
function bestOf(lanes: readonly Lane[]): Lane | undefined {
  const highest = Math.max(...lanes.map(priorityOf));
  if (highest === Number.NEGATIVE_INFINITY) return undefined;
  return leastOf(lanes.filter((lane) => priorityOf(lane) === highest));
}

const priorityOf = ({ heads: [first] }: Lane): number =>
  first?.priority ?? Number.NEGATIVE_INFINITY;

function leastOf<T extends { readonly vtime: number }>(candidates: readonly T[]): T | undefined {
  let least: T | undefined;
  for (const each of candidates) if (least === undefined || each.vtime < least.vtime) least = each;
  return least;
}

function charge(lane: Lane, bytes: number): void {
  lane.ready -= 1;
  lane.taken += 1;
  lane.vtime += bytes;
  lane.queue.running += 1;
  lane.queue.vtime += bytes / lane.queue.weight;
  for (const host of lane.hosts) host.room -= 1;
}

/** Who may not begin anything now (paused, blocked, at its limit) gathers no credit meanwhile. */
async function liftThoseBehind(
  transaction: WriteTransaction,
  closed: readonly Queue[],
  reached: number,
): Promise<void> {
  const vtime = Math.floor(reached);
  const behind = closed.filter((queue) => queue.vtime < vtime);
  if (behind.length === 0) return;
  await transaction
    .updateTable('job_queues')
    .set({ vtime })
    .where(
      'name',
      'in',
      behind.map(({ name }) => name),
    )
    .where('vtime', '<', vtime)
    .execute();
}

/** The same among the lanes of a queue. */
async function liftLanesBehind(
  transaction: WriteTransaction,
  queue: Queue,
  open: readonly Lane[],
): Promise<void> {
  const least = leastOf(open)?.vtime ?? 0;
  const behind = queue.lanes.filter((lane) => !open.includes(lane) && lane.vtime < least);
  if (behind.length === 0) return;
  await transaction
    .updateTable('job_lanes')
    .set({ vtime: least })
    .where('queue', '=', queue.name)
    .where(
      'route',
      'in',
      behind.map(({ route }) => route),
    )
    .where('vtime', '<', least)
    .execute();
}
