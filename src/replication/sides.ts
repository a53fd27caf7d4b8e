/**
 * The two ends of a copy. This node and every remote registry can be either, so that tasks are the same whichever way
 * content goes.
 */
import type { NameFilter } from '../../policies/name-pattern.ts';
import type { MirroredTag } from '../../policies/replication-mirror.ts';
import type { HeldManifest, RemovedTag, TagRemoval } from '../catalog/replicas.ts';
import type { Digest } from '../oci/digest.ts';
import type { Manifest } from '../oci/manifest.ts';
import type { BlobLane, BlobPart, Referrer } from '../registry/peer.ts';

/** Aborting rejects with `signal.reason`. */
export interface Waiting {
  readonly signal: AbortSignal;
}

export interface SourceTag {
  readonly name: string;
  /** Undefined where only HEAD tells. */
  readonly digest?: Digest | undefined;
  /** Milliseconds UTC. */
  readonly pushedAt?: number | undefined;
  readonly labels?: readonly string[] | undefined;
}

/** Where artifacts come from. All throw the errors of `registry/errors.ts`, too. */
export interface Source {
  /** As policies call it. */
  readonly endpoint: string;
  /** What its tasks load; undefined for this node. */
  readonly host: string | undefined;
  /** Whether its blobs come no faster than somebody set: several at once of one blob would only fill buffers on the way. */
  readonly isPaced?: boolean;
  /** Asks nobody. @throws PullsReserved where it is known that it gives nothing to replication for now */
  assertPulls?(): void;
  /** Those that the filter selects, and perhaps others. @throws OciError UNSUPPORTED where it cannot list them */
  repositories(filter: NameFilter, options: Waiting): AsyncIterable<string>;
  /** @throws OciError NAME_UNKNOWN */
  tags(repository: string, options: Waiting): Promise<readonly SourceTag[]>;
  /** What a tag points to, without a pull that is counted where that can be. @throws OciError MANIFEST_UNKNOWN */
  digestOf(repository: string, tag: string, options: Waiting): Promise<Digest>;
  /** Of a manifest; left out where nobody knows any. */
  labels?(repository: string, digest: Digest): Promise<readonly string[]>;
  /** @throws OciError MANIFEST_UNKNOWN, MANIFEST_INVALID */
  manifest(repository: string, digest: Digest, options: Waiting): Promise<Manifest>;
  referrers(repository: string, subject: Digest, options: Waiting): Promise<readonly Referrer[]>;
  /** Whether the repository has the blob, and not only a manifest that names it. */
  hasBlob(repository: string, digest: Digest, options: Waiting): Promise<boolean>;
  /** @throws OciError BLOB_UNKNOWN */
  blob(
    repository: string,
    digest: Digest,
    range: { readonly start: number; readonly end?: number },
    options: Waiting & { readonly lane?: BlobLane },
  ): Promise<BlobPart>;
}

/** A blob at its source. */
export interface SourceBlob {
  readonly source: Source;
  readonly repository: string;
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
}

export interface CopyOptions extends Waiting {
  /** Told of bytes as they go. */
  readonly moved: (bytes: number) => void;
  /** When the destination said that it lacks the blob, by `performance.now()`: what came there since is not sent again. */
  readonly missingAt?: number | undefined;
  /** Whether to wait while the blob goes to another repository that it can be mounted from then. By default. */
  readonly waits?: boolean | undefined;
}

export interface PutOptions extends Waiting {
  readonly tag?: string | undefined;
  /** Whether children of an index may be missing, because a rule leaves them out. */
  readonly isSparse: boolean;
}

/** Where they go. All throw the errors of `registry/errors.ts`, too. */
export interface Destination {
  readonly endpoint: string;
  /** What its tasks load; undefined for this node. */
  readonly host: string | undefined;
  /** Changes nothing. @throws OciError where it is known beforehand that it takes nothing into the repository */
  admit(repository: string): Promise<void>;
  /** Makes what the repository needs to be pushed to. */
  prepare(repository: string, options: Waiting): Promise<void>;
  /** `isWhole` is what is known of its content: a registry that checks what is pushed to it is believed. */
  held(repository: string, reference: string, options: Waiting): Promise<HeldManifest | undefined>;
  /** What its tags point to, by name; undefined where they have to be asked for one by one. */
  tags(
    repository: string,
    options: Waiting,
  ): Promise<ReadonlyMap<string, HeldManifest> | undefined>;
  /** All tags there. None where there is no such repository. */
  listed(repository: string, options: Waiting): Promise<readonly MirroredTag[]>;
  /** Those of the digests that the repository lacks as blobs. */
  missingBlobs(
    repository: string,
    digests: readonly Digest[],
    options: Waiting,
  ): Promise<readonly Digest[]>;
  /**
   * Several at one time of one blob are one transfer, whose bytes one of them is told of. Aborting ends it within one chunk; what arrived stays for the next time where
   * this node is the destination.
   *
   * @returns how it came there; `under way` where that is to be waited for, and `waits` is false
   */
  copyBlob(
    blob: SourceBlob,
    repository: string,
    options: CopyOptions,
  ): Promise<'copied' | 'mounted' | 'under way'>;
  /** Under its digest, and with the tag if there is one. Its content is there. */
  put(repository: string, manifest: Manifest, options: PutOptions): Promise<void>;
  /** @throws OciError UNSUPPORTED */
  removeTag(
    repository: string,
    tag: string,
    options: Waiting & Pick<RemovedTag, 'expected'>,
  ): Promise<TagRemoval>;
}

/** What a task between the two loads. */
export function hostsOf(
  source: Pick<Source, 'host'>,
  destination: Pick<Destination, 'host'>,
): readonly string[] {
  return [source.host, destination.host].filter((host) => host !== undefined);
}
