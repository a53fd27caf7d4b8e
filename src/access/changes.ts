import { type Actor, writeAudit } from '../audit/audit.ts';
import type { WriteTransaction } from '../database/database.ts';

export interface ChangeNote {
  readonly operation: 'create' | 'update' | 'delete';
  readonly resourceType: 'user' | 'user-group' | 'member' | 'robot';
  /** Its name. */
  readonly resource: string;
  /** The project's id, of what belongs to one. */
  readonly project?: number | undefined;
  /** What of it changed. */
  readonly detail?: string | undefined;
  /** Milliseconds UTC. */
  readonly at: number;
}

/** Of what the transaction changes, in words. */
export async function noteChange(
  transaction: WriteTransaction,
  actor: Actor,
  note: ChangeNote,
): Promise<void> {
  const { operation, resourceType, resource, detail: what } = note;
  const detail = `${operation} ${resourceType} ${resource}${what === undefined ? '' : `: ${what}`}`;
  await writeAudit(transaction, { ...note, actor, succeeded: true, detail });
}
