import type { WriteTransaction } from '../database/database.ts';
import type { Tally } from './tally.ts';
import { type NewTask, routeOf } from './task.ts';

interface Belonging {
  readonly execution: number;
  readonly queue: string;
  readonly now: number;
  readonly tally: Tally;
}

/** Rows of one statement, each of some twenty values. */
const AT_ONCE = 200;

/**
 * Adds tasks to an execution. One whose key a task of the execution has already that is not over is that task; one whose
 * key another execution's task has follows that one.
 *
 * Who waits for a key must never be what the key's task waits for, in whichever execution: blobs before manifests before tags.
 *
 * @returns their ids, in order
 */
export async function addTasks(
  transaction: WriteTransaction,
  tasks: readonly NewTask[],
  belonging: Belonging,
): Promise<readonly number[]> {
  const known = await liveByKey(transaction, tasks, belonging.execution);
  // Where each of them is: a row that is there, or a place among those that are made.
  const making: NewTask[] = [];
  const places: (number | { readonly made: number })[] = [];
  const madeByKey = new Map<string, { readonly made: number }>();
  for (const [index, task] of tasks.entries()) {
    if (task.after?.some((before) => before >= index)) throw new RangeError('no task before it');
    const here =
      task.key === undefined ? undefined : (known.own.get(task.key) ?? madeByKey.get(task.key));
    const place = here ?? { made: making.length };
    places.push(place);
    if (here !== undefined || typeof place === 'number') continue;
    if (task.key !== undefined) madeByKey.set(task.key, place);
    making.push(task);
  }
  const blockersOf = (task: NewTask): readonly (number | { readonly made: number })[] => [
    ...new Set((task.after ?? []).map((index) => placeAt(places, index))),
  ];
  const made = await insertRows(
    transaction,
    making.map((task) => ({
      task,
      pending: blockersOf(task).length,
      follows: task.key === undefined ? undefined : known.leading.get(task.key),
    })),
    belonging,
  );
  const idOf = (place: number | { readonly made: number }): number =>
    typeof place === 'number' ? place : (made[place.made] ?? 0);
  await insertDependencies(
    transaction,
    making.flatMap((task, index) =>
      blockersOf(task).map((blocker) => ({ task: made[index] ?? 0, blocker: idOf(blocker) })),
    ),
  );
  return places.map(idOf);
}

/** @throws RangeError */
function placeAt<T>(places: readonly T[], index: number): T {
  const place = places[index];
  if (place === undefined) throw new RangeError(`no task ${index} in the batch`);
  return place;
}

interface Live {
  /** Of the execution itself, by key. */
  readonly own: ReadonlyMap<string, number>;
  /** Of others, those that lead. */
  readonly leading: ReadonlyMap<string, number>;
}

async function liveByKey(
  transaction: WriteTransaction,
  tasks: readonly NewTask[],
  execution: number,
): Promise<Live> {
  const keys = [...new Set(tasks.flatMap(({ key }) => (key === undefined ? [] : [key])))];
  const own = new Map<string, number>();
  const leading = new Map<string, number>();
  for (let start = 0; start < keys.length; start += AT_ONCE) {
    const rows = await transaction
      .selectFrom('tasks')
      .select(['id', 'key', 'execution', 'follows'])
      .where('key', 'in', keys.slice(start, start + AT_ONCE))
      .where('ended_at', 'is', null)
      .execute();
    for (const row of rows) {
      if (row.key === null) continue;
      if (row.execution === execution) own.set(row.key, row.id);
      else if (row.follows === null) leading.set(row.key, row.id);
    }
  }
  return { own, leading };
}

interface Making {
  readonly task: NewTask;
  readonly pending: number;
  readonly follows: number | undefined;
}

async function insertRows(
  transaction: WriteTransaction,
  making: readonly Making[],
  belonging: Belonging,
): Promise<readonly number[]> {
  const ids: number[] = [];
  for (let start = 0; start < making.length; start += AT_ONCE) {
    const rows = making.slice(start, start + AT_ONCE).map((each) => rowOf(each, belonging));
    const inserted = await transaction.insertInto('tasks').values(rows).returning('id').execute();
    // Counted up in the order of the values, but told in any.
    ids.push(...inserted.map(({ id }) => id).toSorted((left, right) => left - right));
    for (const row of rows) belonging.tally.added(row, row.state);
  }
  return ids;
}

function rowOf({ task, pending, follows }: Making, { execution, queue, now }: Belonging) {
  return {
    execution,
    queue,
    kind: task.kind,
    key: task.key ?? null,
    follows: follows ?? null,
    route: routeOf(task.hosts),
    resource: task.resource ?? '',
    state: pending > 0 || follows !== undefined ? ('waiting' as const) : ('ready' as const),
    priority: task.priority ?? 0,
    cost: Math.ceil(task.cost),
    payload: JSON.stringify(task.payload),
    pending,
    attempts: 0,
    mismatches: 0,
    epoch: 0,
    progress: 0,
    bytes: 0,
    created_at: now,
  };
}

export async function insertDependencies(
  transaction: WriteTransaction,
  rows: readonly { readonly task: number; readonly blocker: number }[],
): Promise<void> {
  for (let start = 0; start < rows.length; start += AT_ONCE) {
    await transaction
      .insertInto('task_dependencies')
      .values(rows.slice(start, start + AT_ONCE))
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  }
}
