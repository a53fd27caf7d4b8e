import { sql } from 'kysely';
import type { WriteTransaction } from '../database/database.ts';
import { type Host, isFree, type Lane, lacksRoomAlone, mayBegin, type Turn } from './board.ts';
import { chargeOf } from './shares.ts';

/** Read of a lane at once: a claim rarely takes more of one. */
const HEADS = 2;
/** The same where an execution of the queue is being stopped. If all of these are its own, others of the lane wait until more of them are stopped. */
const HEADS_AMONG_STOPPED = 100;

/**
 * The ids of at most `most` tasks that are next, in order: those of the highest priority first, fair between queues of one priority and between
 * the lanes of a queue.
 *
 * A lane that is next and lacks room at one of its hosts alone keeps a place at the others, from those that come after it: else each place
 * that somebody leaves would be gone before there is one everywhere. A host keeps one for each priority, so that the rest of it is used.
 */
export async function chooseTasks(
  transaction: WriteTransaction,
  turns: readonly Turn[],
  most: number,
): Promise<readonly number[]> {
  const chosen: number[] = [];
  const byPriority = Map.groupBy(turns, ({ priority }) => priority);
  for (const priority of [...byPriority.keys()].toSorted((left, right) => right - left)) {
    const alike = byPriority.get(priority) ?? [];
    // Lower ones get what those before them leave.
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
  const keeping = new Set<Host>();
  const isNext = (lane: Lane): boolean => mayBegin(lane) || mayKeep(lane, keeping);
  const closed = turns.filter(({ lanes }) => !lanes.some(mayBegin));
  let reached = 0;
  while (chosen.length < most) {
    const turn = leastOf(turns.filter(({ lanes }) => lanes.some(isNext)));
    const lane = leastOf(turn?.lanes.filter(isNext) ?? []);
    if (turn === undefined || lane === undefined) break;
    if (!lifted.has(turn)) await liftLanesBehind(transaction, turn);
    lifted.add(turn);
    if (lane.heads.length === 0) await readHeads(transaction, turn, lane);
    const [head] = lane.heads;
    if (head === undefined) continue;
    if (!mayBegin(lane)) {
      keepPlaces(lane, keeping);
      continue;
    }
    lane.heads.shift();
    chosen.push(head.id);
    reached = turn.vtime;
    charge(turn, lane, chargeOf(head.cost));
  }
  await liftThoseBehind(transaction, closed, reached);
  return chosen;
}

const mayKeep = (lane: Lane, keeping: ReadonlySet<Host>): boolean =>
  lacksRoomAlone(lane) && placesOf(lane, keeping).length > 0;

function keepPlaces(lane: Lane, keeping: Set<Host>): void {
  for (const host of placesOf(lane, keeping)) {
    host.kept += 1;
    keeping.add(host);
  }
}

/** Hosts at which it may keep a place. Where one task finds out how the host is, nobody waits for that. */
function placesOf({ hosts }: Lane, keeping: ReadonlySet<Host>): readonly Host[] {
  return hosts.filter((host) => isFree(host) && !host.isProbed && !keeping.has(host));
}

/** But for those of executions that are being stopped. */
async function readHeads(
  transaction: WriteTransaction,
  { queue, priority, stopping }: Turn,
  lane: Lane,
): Promise<void> {
  const heads = await transaction
    .selectFrom('tasks')
    .select(['id', 'cost', 'execution'])
    .where('queue', '=', queue)
    .where('route', '=', lane.route)
    .where('priority', '=', priority)
    .where('state', '=', sql.lit('ready'))
    .where('id', '>', lane.read)
    .orderBy('id')
    .limit(stopping.length === 0 ? HEADS : HEADS_AMONG_STOPPED)
    .execute();
  lane.heads = heads.filter(({ execution }) => !stopping.includes(execution));
  lane.read = heads.at(-1)?.id ?? lane.read;
  if (lane.heads.length === 0) lane.ready = 0;
}

function leastOf<T extends { readonly vtime: number }>(candidates: readonly T[]): T | undefined {
  let least: T | undefined;
  for (const each of candidates) if (least === undefined || each.vtime < least.vtime) least = each;
  return least;
}

function charge(turn: Turn, lane: Lane, bytes: number): void {
  lane.ready -= 1;
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
): Promise<void> {
  const open = lanes.filter(mayBegin);
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
