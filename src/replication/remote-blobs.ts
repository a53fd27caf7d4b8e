/** How a blob comes to another registry: mounted where it has it, else sent. */
import { projectNameOf } from '../catalog/repositories.ts';
import { UpstreamThrottled } from '../registry/errors.ts';
import type { RegistryPeer } from '../registry/peer.ts';
import { type Link, shapedPart } from '../transfer/shaping.ts';
import type { AheadBlob, ReadAhead } from './read-ahead.ts';
import type { Mounting, RemotePushes } from './remote-pushes.ts';
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
      async (signal, mounting) => {
        const mount = await tryMount(target, repository, blob, { signal, ...mounting });
        if (mount.from !== undefined) return { way: 'mounted', from: mount.from };
        await pushTo({ ...target, readAhead }, repository, blob, { signal, moved });
        return { way: 'copied', isRefused: mount.isTried };
      },
      options,
    );
  };
}

/** Bytes: to send fewer costs less than to ask where they are. */
const ASKED_FROM = 2 ** 20;

interface Mount {
  readonly isTried: boolean;
  /** Where it was mounted from; undefined where it was not. */
  readonly from?: string;
}

/** From another repository that has it there. That none has, or that it is refused, is no failure: the bytes are sent then. */
async function tryMount(
  { endpoint, peer }: Target,
  repository: string,
  { source, repository: from, digest, size }: SourceBlob,
  { mayMount, holder, signal }: Waiting & Mounting,
): Promise<Mount> {
  if (!mayMount) return { isTried: false };
  let isTried = false;
  const mounts = (other: string): Promise<boolean> => {
    isTried = true;
    return peer.mountBlob(repository, digest, other, { signal });
  };
  try {
    const isWithin = source.endpoint === endpoint && from !== repository;
    if (isWithin && (await mounts(from))) return { isTried, from };
    const other = holder ?? (await repositoryWith(peer, repository, { digest, size, signal }));
    // Who names a blob does not have it by that: what a manifest of the source names may be in a repository beside it.
    const isAllowed = other !== undefined && (await source.hasBlob(from, digest, { signal }));
    if (isAllowed && (await mounts(other))) return { isTried, from: other };
  } catch (error) {
    // What is wrong with the registry, the push will say.
    if (signal.aborted || error instanceof UpstreamThrottled) throw error;
  }
  return { isTried };
}

/** Another one of the same project, where the registry tells. */
async function repositoryWith(
  peer: RegistryPeer,
  repository: string,
  { digest, size, signal }: Waiting & Pick<SourceBlob, 'digest' | 'size'>,
): Promise<string | undefined> {
  if (size < ASKED_FROM) return undefined;
  const project = projectNameOf(repository);
  const told = await peer.repositoryWith?.(digest, { project, signal });
  if (told === undefined || told === repository) return undefined;
  return projectNameOf(told) === project ? told : undefined;
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
