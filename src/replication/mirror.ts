/** A mirror loses what its source has no more. */
import { deletionLimit, tagsToDelete } from '../../policies/replication-mirror.ts';
import { selectsTag } from '../../policies/replication-selection.ts';
import type { NewTask } from '../jobs/task.ts';
import { ManagementError } from '../oci/management-error.ts';
import type { Place } from './payloads.ts';
import { type Asker, keyOf, type Run } from './run.ts';
import { type Destination, hostsOf, type Waiting } from './sides.ts';

/** One repository at one destination, and the names of all tags that the policy copies there. */
interface Mirrored {
  readonly place: Place;
  readonly to: Destination;
  readonly wanted: readonly string[];
}

/**
 * Tags to delete there; none where the policy is no mirror.
 *
 * @throws ManagementError PRECONDITION where they are more than a run may delete of a repository
 */
export async function deletionsAt(
  run: Run,
  { place, to, wanted }: Mirrored,
  { signal }: Waiting,
): Promise<readonly NewTask[]> {
  const { rules } = run;
  if (rules.prune === undefined) return [];
  const there = await to.listed(place.to, { signal });
  const gone = tagsToDelete({ wanted, there }, rules.tags);
  const selected = there.filter(({ name }) => selectsTag(name, rules.tags)).length;
  // A source that has nothing at all is more likely broken than empty.
  const isSuspicious = wanted.length === 0 && typeof rules.prune.atMost !== 'number';
  const most = isSuspicious ? 0 : deletionLimit(selected, rules.prune);
  if (gone.length > most) {
    const message = `${gone.length} of ${selected} tags of ${place.to} would be deleted, and ${most} may be`;
    throw new ManagementError('PRECONDITION', message);
  }
  // Without pruning by age or number, what the source has is wanted: it is asked again when the time comes.
  const isMirrored = rules.keep !== undefined;
  return gone.map(({ name }) => deletionTask(run, { ...place, tag: name, isMirrored }, to));
}

export function deletionTask(
  asker: Asker,
  payload: Place & { readonly tag: string; readonly isMirrored: boolean },
  destination: Pick<Destination, 'endpoint' | 'host'>,
): NewTask {
  return {
    kind: 'delete-tag',
    key: `${keyOf(asker, 'delete')} ${destination.endpoint} ${payload.to} ${payload.tag}`,
    hosts: hostsOf({ host: undefined }, destination),
    cost: 0,
    payload,
    resource: payload.from,
    priority: asker.rules.priority,
  };
}
