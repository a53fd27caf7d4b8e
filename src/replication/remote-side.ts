import type { MirroredTag } from '../../policies/replication-mirror.ts';
import { prefixOf } from '../../policies/replication-selection.ts';
import type { HeldManifest } from '../catalog/replicas.ts';
import type { Digest } from '../oci/digest.ts';
import { OciError } from '../oci/error.ts';
import { UpstreamInvalid } from '../registry/errors.ts';
import type { RegistryPeer } from '../registry/peer.ts';
import type { Link } from '../transfer/shaping.ts';
import { blobsTo, type Passing } from './remote-blobs.ts';
import type { Destination, Source, SourceTag, Waiting } from './sides.ts';

export interface Remote {
  readonly endpoint: string;
  readonly host: string;
  readonly peer: RegistryPeer;
  /** How many parts, apart by slashes, its repositories' names have at least. */
  readonly leastNameParts: number;
  readonly link: Link;
}

/** HEADs at the same time: as many as a registry's control lane takes without making others wait long. */
const MOST_HEADS = 4;

export function remoteSource({ endpoint, host, peer, leastNameParts }: Remote): Source {
  return {
    endpoint,
    host,
    assertPulls: () => peer.assertPulls?.(),
    repositories(filter, options) {
      const prefix = prefixOf(filter, leastNameParts);
      if (peer.repositories !== undefined) return peer.repositories({ ...options, prefix });
      const message = `${endpoint} cannot list its repositories: a policy has to name them`;
      throw new OciError('UNSUPPORTED', { message });
    },
    async tags(repository, options) {
      const tags: SourceTag[] = [];
      if (peer.tagDigests !== undefined) {
        for await (const tag of peer.tagDigests(repository, options)) tags.push(tag);
      } else {
        for await (const name of peer.tags(repository, options)) tags.push({ name });
      }
      return tags;
    },
    async digestOf(repository, tag, options) {
      const head = await peer.headManifest(repository, tag, options);
      if (head?.digest !== undefined) return head.digest;
      const copying = { ...options, isReplication: true };
      return (await peer.manifest(repository, tag, copying)).descriptor.digest;
    },
    manifest: (repository, digest, options) =>
      peer.manifest(repository, digest, { ...options, isReplication: true }),
    referrers: (repository, subject, options) =>
      peer.referrers(repository, subject, { ...options, isReplication: true }),
    hasBlob: (repository, digest, options) => hasBlob(peer, { repository, digest }, options),
    blob: (repository, digest, range, options) =>
      peer.blob(repository, digest, { ...options, range }),
  };
}

export function remoteDestination(
  { endpoint, host, peer, link }: Remote,
  passing: Passing,
): Destination {
  return {
    endpoint,
    host,
    // Only a push finds that out.
    admit: () => Promise.resolve(),
    async prepare(repository, options) {
      await peer.preparePush?.(repository, options);
    },
    held: (repository, reference, options) => heldBy(peer, repository, { ...options, reference }),
    tags: (repository, options) => tagsOf(peer, repository, options),
    listed: (repository, options) => listedBy(peer, repository, options),
    async missingBlobs(repository, digests, options) {
      const missing: Digest[] = [];
      for (let start = 0; start < digests.length; start += MOST_HEADS) {
        const asked = digests.slice(start, start + MOST_HEADS);
        const sizes = await Promise.all(
          asked.map((digest) => hasBlob(peer, { repository, digest }, options)),
        );
        missing.push(...asked.filter((_, index) => sizes[index] !== true));
      }
      return missing;
    },
    copyBlob: blobsTo({ endpoint, peer, link }, passing),
    async put(repository, manifest, { tag, signal }) {
      const { digest } = manifest.descriptor;
      await peer.pushManifest(repository, tag ?? digest, manifest, { signal });
      if (tag === undefined) return;
      const held = await heldBy(peer, repository, { reference: tag, signal });
      if (held?.digest === digest) return;
      const message = `it acknowledged ${tag} as ${digest}, and has it as ${held?.digest ?? 'nothing'}`;
      throw new UpstreamInvalid(host, message);
    },
    async removeTag(repository, tag, { expected, signal }) {
      if (expected !== undefined) {
        const held = await heldBy(peer, repository, { reference: tag, signal });
        if (held === undefined) return 'not there';
        if (held.digest !== expected) return 'another one';
      }
      try {
        await peer.deleteTag(repository, tag, { signal });
        return 'removed';
      } catch (error) {
        if (isUnknown(error)) return 'not there';
        throw isUnsupported(error) ? undeletable(tag, { endpoint, host, error }) : error;
      }
    },
  };
}

async function tagsOf(
  peer: RegistryPeer,
  repository: string,
  options: Waiting,
): Promise<ReadonlyMap<string, HeldManifest> | undefined> {
  if (peer.tagDigests === undefined) return undefined;
  const tags = new Map<string, HeldManifest>();
  try {
    for await (const { name, digest } of peer.tagDigests(repository, options)) {
      tags.set(name, { digest, isWhole: true });
    }
  } catch (error) {
    if (!isUnknown(error)) throw error;
  }
  return tags;
}

async function listedBy(
  peer: RegistryPeer,
  repository: string,
  options: Waiting,
): Promise<readonly MirroredTag[]> {
  const known = await tagsOf(peer, repository, options);
  if (known !== undefined) return [...known].map(([name, { digest }]) => ({ name, digest }));
  const tags: MirroredTag[] = [];
  try {
    for await (const name of peer.tags(repository, options)) tags.push({ name });
  } catch (error) {
    if (!isUnknown(error)) throw error;
  }
  return tags;
}

async function heldBy(
  peer: RegistryPeer,
  repository: string,
  { reference, signal }: Waiting & { readonly reference: string },
): Promise<HeldManifest | undefined> {
  try {
    const copying = { signal, isReplication: true };
    const head = await peer.headManifest(repository, reference, copying);
    const digest =
      head?.digest ?? (await peer.manifest(repository, reference, copying)).descriptor.digest;
    return { digest, isWhole: true };
  } catch (error) {
    if (isUnknown(error)) return undefined;
    throw error;
  }
}

async function hasBlob(
  peer: RegistryPeer,
  { repository, digest }: { readonly repository: string; readonly digest: Digest },
  options: Waiting,
): Promise<boolean> {
  try {
    await peer.blobSize(repository, digest, options);
    return true;
  } catch (error) {
    if (isUnknown(error)) return false;
    throw error;
  }
}

/** With the registry's name: a policy has several destinations, and not all need be of this kind. */
function undeletable(
  tag: string,
  { endpoint, host, error }: { endpoint: string; host: string; error: OciError },
): OciError {
  const why = error.explanation === undefined ? '' : `: ${error.explanation}`;
  const message = `${endpoint} (${host}) does not delete the tag ${tag} alone${why}`;
  return new OciError('UNSUPPORTED', { message, cause: error });
}

function isUnsupported(error: unknown): error is OciError {
  return error instanceof OciError && error.code === 'UNSUPPORTED';
}

function isUnknown(error: unknown): boolean {
  return (
    error instanceof OciError &&
    ['MANIFEST_UNKNOWN', 'BLOB_UNKNOWN', 'NAME_UNKNOWN'].includes(error.code)
  );
}
