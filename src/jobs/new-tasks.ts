import type { WriteTransaction } from '../database/database.ts';
import { insertDependencies } from './dependencies.ts';
import { type Leader, leadersOf, liftPriority, takeLead } from './leading.ts';
import type { Settling } from './settling.ts';
import { type NewTask, routeOf } from './task.ts';

interface Belonging {
  readonly execution: number;
  readonly queue: string;
}

/** Rows of one statement, each of some twenty values. */
const AT_ONCE = 200;

/** A task that has a row already, or the place of one among those that are made. */
type Place = number | { readonly made: number };

/**
 * Adds tasks to an execution. One whose key a task of the execution has already that is not over is that task; one whose
 * key another execution's task has follows that one.
 *
 * Who waits for a key must never be what the key's task waits for, in whichever execution: blobs before manifests before tags.
 *
 * @returns their ids, in order
 * @throws RangeError for a task that waits for one that is not before it
 */
export async function addTasks(
  settling: Settling,
  tasks: readonly NewTask[],
  belonging: Belonging,
): Promise<readonly number[]> {
  const { transaction } = settling;
  const keys = tasks.flatMap(({ key }) => (key === undefined ? [] : [key]));
  const own = await ownByKey(transaction, keys, belonging.execution);
  const leaders = await leadersOf(transaction, keys);
  const { places, making } = placesOf(tasks, own);
  const made = await insertRows(
    settling,
    making.map(({ task, blockers }) => ({
      task,
      pending: blockers.length,
      leader: task.key === undefined ? undefined : leaders.get(task.key),
    })),
    belonging,
  );
  const idOf = (place: Place): number =>
    typeof place === 'number' ? place : (made[place.made] ?? 0);
  await insertDependencies(
    transaction,
    making.flatMap(({ blockers }, index) =>
      blockers.map((blocker) => ({ task: made[index] ?? 0, blocker: idOf(blocker) })),
    ),
  );
  for (const [index, { task }] of making.entries()) {
    const leader = task.key === undefined ? undefined : leaders.get(task.key);
    if (leader !== undefined) await follow(settling, leader, { ...task, id: made[index] ?? 0 });
  }
  return places.map(idOf);
}

interface Making {
  readonly task: NewTask;
  readonly blockers: readonly Place[];
}

function placesOf(
  tasks: readonly NewTask[],
  own: ReadonlyMap<string, number>,
): { readonly places: readonly Place[]; readonly making: readonly Making[] } {
  const places: Place[] = [];
  const making: Making[] = [];
  const byKey = new Map<string, Place>(own);
  for (const task of tasks) {
    const there = task.key === undefined ? undefined : byKey.get(task.key);
    const blockers = [...new Set((task.after ?? []).map((index) => placeAt(places, index)))];
    const place = there ?? { made: making.length };
    places.push(place);
    if (there !== undefined) continue;
    if (task.key !== undefined) byKey.set(task.key, place);
    making.push({ task, blockers });
  }
  return { places, making };
}

function placeAt(places: readonly Place[], index: number): Place {
  const place = places[index];
  if (place === undefined) throw new RangeError(`there is no task ${index} before it in the batch`);
  return place;
}

/** Those of the execution that are not over. */
async function ownByKey(
  transaction: WriteTransaction,
  keys: readonly string[],
  execution: number,
): Promise<ReadonlyMap<string, number>> {
  const own = new Map<string, number>();
  for (let start = 0; start < keys.length; start += AT_ONCE) {
    const rows = await transaction
      .selectFrom('tasks')
      .select(['id', 'key'])
      .where('key', 'in', keys.slice(start, start + AT_ONCE))
      .where('execution', '=', execution)
      .where('ended_at', 'is', null)
      .execute();
    for (const { id, key } of rows) if (key !== null) own.set(key, id);
  }
  return own;
}

/** Who asks for more than the leader's own execution did is heard; a leader that may not begin now gives way. */
async function follow(
  settling: Settling,
  leader: Leader,
  { id, priority = 0 }: Pick<NewTask, 'priority'> & { readonly id: number },
): Promise<void> {
  if (leader.mayBegin) await liftPriority(settling, leader, priority);
  else await takeLead(settling, leader, id);
}

interface NewRow {
  readonly task: NewTask;
  readonly pending: number;
  readonly leader: Leader | undefined;
}

async function insertRows(
  { transaction, tally, now }: Settling,
  making: readonly NewRow[],
  belonging: Belonging,
): Promise<readonly number[]> {
  const ids: number[] = [];
  for (let start = 0; start < making.length; start += AT_ONCE) {
    const rows = making
      .slice(start, start + AT_ONCE)
      .map((each) => ({ ...rowOf(each), ...belonging, created_at: now }));
    const inserted = await transaction.insertInto('tasks').values(rows).returning('id').execute();
    // Counted up in the order of the values, but told in any.
    ids.push(...inserted.map(({ id }) => id).toSorted((left, right) => left - right));
    for (const row of rows) tally.added(row, row.state);
  }
  return ids;
}

function rowOf({ task, pending, leader }: NewRow) {
  return {
    kind: task.kind,
    key: task.key ?? null,
    follows: leader?.id ?? null,
    route: routeOf(task.hosts),
    resource: task.resource ?? '',
    state: pending > 0 || leader !== undefined ? ('waiting' as const) : ('ready' as const),
    priority: task.priority ?? 0,
    cost: Math.ceil(task.cost),
    payload: JSON.stringify(task.payload),
    pending,
    attempts: 0,
    mismatches: 0,
    away_since: null,
    epoch: 0,
    progress: 0,
    bytes: 0,
  };
}
