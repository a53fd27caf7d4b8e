import type { WriteTransaction } from '../database/database.ts';
import { chargeOf } from './shares.ts';
import { PLACED, type Placed, type Tally } from './tally.ts';
import { type Claim, type ClaimedTask, LeaseLost } from './task.ts';

/** A transaction in which tasks change their state. */
export interface Settling {
  readonly transaction: WriteTransaction;
  readonly tally: Tally;
  readonly now: number;
  /** Facts to publish once it is durable. */
  readonly facts: (() => void)[];
}

/** What is written together with what it is handed to, or not at all. */
export type Along = (transaction: WriteTransaction) => Promise<void>;

/** Runs `work` in a transaction of its own. */
export type Settle = <T>(work: (settling: Settling) => Promise<T>) => Promise<T>;

/** What has to be known of a task to move it. */
export type Movable = Pick<ClaimedTask, 'id' | keyof Placed | 'state'>;
export const MOVABLE = ['id', ...PLACED, 'state'] as const;

/** Nobody works on it, and it waits for no time. */
export const FREE = { lease_instance: null, lease_boot: null, lease_until: null, run_at: null };

/**
 * The task of a claim, which nobody else ends meanwhile.
 *
 * @throws LeaseLost
 */
export async function heldTask({ transaction }: Settling, claim: Claim): Promise<ClaimedTask> {
  const task = await transaction
    .updateTable('tasks')
    .set({ run_at: null })
    .where('id', '=', claim.id)
    .where('epoch', '=', claim.epoch)
    .where('state', 'in', ['running', 'stopping'])
    .returningAll()
    .executeTakeFirst();
  if (task === undefined) throw new LeaseLost(claim);
  return task;
}

/** An attempt is over that moved so many bytes: shares are counted by them, and no longer by what was expected. */
export async function closeAttempt(
  { transaction, tally }: Settling,
  task: ClaimedTask,
  sent: number,
): Promise<void> {
  const bytes = Math.ceil(sent);
  tally.sent(task.execution, bytes);
  tally.charged(task, chargeOf(bytes) - chargeOf(task.cost));
  await transaction
    .updateTable('tasks')
    .set((row) => ({ bytes: row('bytes', '+', bytes), progress: bytes }))
    .where('id', '=', task.id)
    .execute();
}
