/** What the tasks of a dry run found: each says it in its note, for people, and is read from there for lists and sums. */
import type { Digest } from '../oci/digest.ts';
import { DeleteTag, ExpandRepository, PruneRepository, SyncReference } from './payloads.ts';

/** What a run would do about one tag, or one manifest, at one destination; or what became of looking for that. */
export interface Finding {
  /** `look`: at a repository, whose tags that are the same already have no finding of their own. */
  readonly action: 'copy' | 'skip' | 'delete' | 'look' | 'fail' | 'pending';
  /** At the source; undefined of the search for repositories. */
  readonly repository?: string | undefined;
  readonly tag?: string | undefined;
  readonly digest?: string | undefined;
  readonly destination?: { readonly endpoint: string; readonly repository: string } | undefined;
  /** To copy, of blobs that nothing before it in this run brings. */
  readonly bytes?: number | undefined;
  readonly blobs?: number | undefined;
  readonly why?: string | undefined;
}

/** A task of a dry run, as far as findings are made of it. */
export interface FindingTask {
  readonly kind: string;
  readonly payload: unknown;
  readonly state: string;
  readonly note?: string | undefined;
  readonly reason?: string | undefined;
}

export const WOULD_DELETE = 'would delete';

export function wouldCopy(
  digest: Digest,
  { bytes, blobs }: { readonly bytes: number; readonly blobs: number },
): string {
  return `would copy ${digest}: ${bytes} bytes in ${blobs} blobs`;
}

const COPY = /^would copy (?<digest>\S+): (?<bytes>\d+) bytes in (?<blobs>\d+) blobs$/;
const SKIPPED = 'skipped: ';

/** @param endpoints of the destinations, in the policy's order */
export function findingOf(task: FindingTask, endpoints: readonly string[]): Finding {
  const place = placeOf(task, endpoints);
  const { state, note = '', reason } = task;
  if (state === 'failed' || state === 'stopped') {
    return { action: 'fail', ...place, why: reason ?? state };
  }
  if (state !== 'succeeded') return { action: 'pending', ...place };
  if (note === WOULD_DELETE) return { action: 'delete', ...place };
  const { digest, bytes, blobs } = COPY.exec(note)?.groups ?? {};
  if (digest !== undefined) {
    return { action: 'copy', ...place, digest, bytes: Number(bytes), blobs: Number(blobs) };
  }
  const isSkipped = note.startsWith(SKIPPED);
  const why = isSkipped ? note.slice(SKIPPED.length) : note;
  return { action: isSkipped ? 'skip' : 'look', ...place, why: why === '' ? undefined : why };
}

function placeOf(
  { kind, payload }: FindingTask,
  endpoints: readonly string[],
): Pick<Finding, 'repository' | 'tag' | 'digest' | 'destination'> {
  if (kind === 'expand-repository')
    return { repository: ExpandRepository.parse(payload).repository };
  if (kind === 'prune-repository') {
    const { from, to, destination } = PruneRepository.parse(payload);
    const endpoint = endpoints[destination] ?? '';
    return { repository: from, destination: { endpoint, repository: to } };
  }
  if (kind !== 'sync-ref' && kind !== 'delete-tag') return {};
  const { from, to, destination, ...what } =
    kind === 'sync-ref' ? SyncReference.parse(payload) : DeleteTag.parse(payload);
  const endpoint = endpoints[destination] ?? '';
  return {
    repository: from,
    tag: what.tag,
    ...('digest' in what ? { digest: what.digest } : {}),
    destination: { endpoint, repository: to },
  };
}
