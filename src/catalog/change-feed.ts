import { batchesOf } from '../database/batches.ts';
import type { WriteTransaction } from '../database/database.ts';
import type { Cause, ChangeKind, InstanceRow } from '../database/tables.ts';
import type { Digest } from '../oci/digest.ts';
import { nextStamp } from './hybrid-clock.ts';

/** A change's place in the feed, which a tag remembers of the change that put it there. */
export interface FeedPosition {
  readonly origin: string;
  readonly seq: number;
  readonly hlc: string;
}

/** What happened to a tag or a manifest of owned content. */
export interface Change {
  /** By name. */
  readonly project: string;
  readonly repository: string;
  readonly kind: ChangeKind;
  readonly tag?: string | undefined;
  readonly digest: Digest;
  /** The manifest that is there now; nothing of a deleted one. */
  readonly manifest?: ChangedManifest | undefined;
  /** What a tag pointed to, and the change that had made it so. */
  readonly previous?: ChangedTag | undefined;
  readonly actor: string;
  readonly cause: Cause;
}

export interface ChangedManifest {
  readonly mediaType: string;
  readonly artifactType: string | undefined;
  readonly subject: Digest | undefined;
  /** Bytes. */
  readonly size: number;
}

export interface ChangedTag {
  readonly digest: Digest;
  readonly origin: string | null;
  readonly seq: number | null;
}

/**
 * Appends the changes in their order and returns where each of them stands. Part of the transaction of what it tells, so
 * that the seqs of this node have no gap.
 */
export async function appendChanges(
  transaction: WriteTransaction,
  changes: readonly Change[],
  at: number,
): Promise<readonly FeedPosition[]> {
  if (changes.length === 0) return [];
  // Updated before it is read: on an engine with several writers this is what makes the next one wait.
  const instance = await transaction
    .updateTable('instance')
    .set((row) => ({ last_seq: row('last_seq', '+', changes.length) }))
    .returningAll()
    .executeTakeFirstOrThrow();
  const positions = positionsAfter(instance, changes.length, at);
  const places = { epoch: instance.feed_epoch, at };
  const rows = positions.flatMap((position, index) => {
    const change = changes[index];
    return change === undefined ? [] : [{ ...rowOf(change), ...position, ...places }];
  });
  for (const batch of batchesOf(rows)) {
    await transaction.insertInto('changes').values(batch).execute();
  }
  const last = positions.at(-1)?.hlc ?? instance.last_hlc;
  await transaction.updateTable('instance').set({ last_hlc: last }).execute();
  return positions;
}

function positionsAfter(instance: InstanceRow, count: number, at: number): FeedPosition[] {
  const positions: FeedPosition[] = [];
  let hlc = instance.last_hlc;
  for (let seq = instance.last_seq - count + 1; seq <= instance.last_seq; seq++) {
    hlc = nextStamp(hlc, at);
    positions.push({ origin: instance.id, seq, hlc });
  }
  return positions;
}

function rowOf({ manifest, previous, ...change }: Change) {
  return {
    project: change.project,
    repository: change.repository,
    kind: change.kind,
    tag: change.tag ?? null,
    digest: change.digest,
    media_type: manifest?.mediaType ?? null,
    artifact_type: manifest?.artifactType ?? null,
    subject: manifest?.subject ?? null,
    size: manifest?.size ?? null,
    previous_digest: previous?.digest ?? null,
    previous_origin: previous?.origin ?? null,
    previous_seq: previous?.seq ?? null,
    actor: change.actor,
    cause: change.cause,
  };
}
