import { sql } from 'kysely';
import type { WriteTransaction } from '../database/database.ts';
import { type Lane, mayBegin, type Queue } from './board.ts';
import { chargeOf } from './shares.ts';

/** The ids of at most `most` tasks that are next, in order: fair between queues; in one by priority, and fair between its lanes. */
export async function chooseTasks(
  transaction: WriteTransaction,
  queues: readonly Queue[],
  most: number,
): Promise<readonly number[]> {
  const chosen: number[] = [];
  const heads = new Map<Lane, Head[]>();
  const lifted = new Set<Queue>();
  const open = queues.filter(({ lanes }) => lanes.some(mayBegin));
  await liftThoseBehind(transaction, queues, open);
  while (chosen.length < most) {
    const queue = leastOf(open.filter(({ lanes }) => lanes.some(mayBegin)));
    if (queue === undefined) break;
    const lanes = queue.lanes.filter(mayBegin);
    if (!lifted.has(queue)) await liftLanesBehind(transaction, queue, lanes);
    lifted.add(queue);
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
