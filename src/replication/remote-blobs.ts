/** How a blob comes to another registry: mounted where it has it, else sent. */
import { projectNameOf } from '../catalog/repositories.ts';
import { UpstreamThrottled } from '../registry/errors.ts';
import type { RegistryPeer } from '../registry/peer.ts';
import { type Link, shapedPart } from '../transfer/shaping.ts';
import type { AheadBlob, ReadAhead } from './read-ahead.ts';
import type { RemotePushes } from './remote-pushes.ts';
import type { CopyOptions, Destination, SourceBlob, Waiting } from './sides.ts';

/** What passes through this node, and for whom. */
export interface Passing {
  readonly pushes: RemotePushes;
  readonly readAhead: ReadAhead;
  readonly policy: number;
}

interface Target {
  readonly endpoint: string;
  readonly peer: RegistryPeer;
  readonly link: Link;
}

export function blobsTo(
  target: Target,
  { pushes, readAhead, policy }: Passing,
): Destination['copyBlob'] {
  return (blob, repository, { moved, ...options }) => {
    const { source, repository: from, digest } = blob;
    const ends = { source: source.endpoint, from, endpoint: target.endpoint, repository };
    return pushes.once(
      { ...ends, digest, policy },
      async (signal, holder) => {
        if (await isMounted(target, repository, blob, { signal, holder })) return 'mounted';
        await pushTo({ ...target, readAhead }, repository, blob, { signal, moved });
        return 'copied';
      },
      options,
    );
  };
}

/** Bytes: to send fewer costs less than to ask where they are. */
const ASKED_FROM = 2 ** 20;

/** Whether the registry had it in another repository. That it has not is no failure: the bytes are sent then. */
async function isMounted(
  { endpoint, peer }: Target,
  repository: string,
  { source, repository: from, digest, size }: SourceBlob,
  { holder, signal }: Waiting & { readonly holder: string | undefined },
): Promise<boolean> {
  const mounts = (other: string) => peer.mountBlob(repository, digest, other, { signal });
  try {
    if (source.endpoint === endpoint && from !== repository && (await mounts(from))) return true;
    const project = projectNameOf(repository);
    const asked = holder === undefined && size >= ASKED_FROM;
    const told = asked ? await peer.repositoryWith?.(digest, { project, signal }) : undefined;
    const mountFrom = holder ?? told;
    if (mountFrom === undefined || mountFrom === repository) return false;
    // Who names a blob does not have it by that: what a manifest of the source names may be in a repository beside it.
    return (await source.hasBlob(from, digest, { signal })) && (await mounts(mountFrom));
  } catch (error) {
    // What is wrong with the registry, the push will say.
    if (signal.aborted || error instanceof UpstreamThrottled) throw error;
    return false;
  }
}

async function pushTo(
  { peer, link, readAhead }: Target & { readonly readAhead: ReadAhead },
  repository: string,
  { source, repository: from, digest, size }: SourceBlob,
  { signal, moved }: CopyOptions,
): Promise<void> {
  const takes = link.isUnlimited ? [] : [link.forReplication];
  const isPaced = source.isPaced === true || takes.length > 0;
  const bytes: AheadBlob = {
    host: isPaced ? undefined : source.host,
    size,
    open: async (range, options) =>
      shapedPart(await source.blob(from, digest, range, options), takes, options),
  };
  const open = (start: number, options: Waiting) => readAhead.read(bytes, start, options);
  await peer.pushBlob(repository, { digest, size }, open, { signal, sent: moved });
}
