import type { Readable } from 'node:stream';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import type { Manifest } from '../oci/manifest.ts';

/** Every call that waits on the network takes one; aborting it rejects with `signal.reason`. */
export interface CallOptions {
  readonly signal: AbortSignal;
  /** Aborted when nobody waits for the answer any more: ends a request that was not sent yet, and none that was. */
  readonly abandoned?: AbortSignal | undefined;
  /**
   * Whether what is read is copied and used by nobody: another Portolan counts no pull of a manifest then, and those that the
   * endpoint reserves for clients are left to them.
   */
  readonly isReplication?: boolean | undefined;
}

/** What a HEAD said of a manifest; registries leave parts of it out. */
export interface ManifestHead {
  readonly digest: Digest | undefined;
  readonly mediaType: string | undefined;
  /** Bytes. */
  readonly size: number | undefined;
}

/**
 * Among which a blob's bytes come: of those that are kept as they come, further parts of such a blob that come beside its
 * first, or of those that their reader lets come.
 */
export type BlobLane = 'blob' | 'part' | 'passed';

/** Part of a blob, on its way. */
export interface BlobPart {
  /** Where the bytes start: 0 where the peer ignored the range that was asked for. */
  readonly start: number;
  /** Where they end, where the peer said so: where it ignored the range, the blob's size, or infinity where it did not tell it. */
  readonly end?: number | undefined;
  /** Bytes of the whole blob, where the peer said so. */
  readonly size: number | undefined;
  /** Unverified: whoever keeps it checks size and digest. Destroying it, or aborting
   * the signal it was asked with, ends the transfer. */
  readonly content: Readable;
}

/**
 * A registry we may read from. Besides the errors named, every call throws UpstreamUnavailable, UpstreamThrottled,
 * UpstreamDenied and UpstreamInvalid (`errors.ts`).
 */
export interface ReadablePeer {
  /** Resolves if it is a registry and lets us in, or nobody, where we are nobody there. */
  ping(options: CallOptions): Promise<void>;
  /** Asks nobody. @throws PullsReserved where it is known that nothing may be pulled for replication */
  assertPulls?(): void;
  /** Free of charge where pulls are counted (Docker Hub). Undefined where HEAD is refused (405). @throws OciError MANIFEST_UNKNOWN */
  headManifest(
    repository: string,
    reference: string,
    options: CallOptions,
  ): Promise<ManifestHead | undefined>;
  /** Asked by digest, the bytes are compared with it before this resolves. @throws OciError MANIFEST_UNKNOWN, MANIFEST_INVALID (schema 1) */
  manifest(repository: string, reference: string, options: CallOptions): Promise<Manifest>;
  /** Bytes in the blob; undefined where the peer does not say. @throws OciError BLOB_UNKNOWN */
  blobSize(repository: string, digest: Digest, options: CallOptions): Promise<number | undefined>;
  /**
   * `range` is half-open; without `end` to the blob's end. `lane` is `blob` where it is left out.
   *
   * @throws OciError BLOB_UNKNOWN
   */
  blob(
    repository: string,
    digest: Digest,
    options: CallOptions & {
      readonly range?: { readonly start: number; readonly end?: number };
      readonly lane?: BlobLane;
    },
  ): Promise<BlobPart>;
  /** All of them, page after page. @throws OciError NAME_UNKNOWN */
  tags(repository: string, options: CallOptions): AsyncIterable<string>;
  /** From the API, else from the fallback tag; none where the peer knows neither. */
  referrers(
    repository: string,
    subject: Digest,
    options: CallOptions,
  ): Promise<readonly Referrer[]>;
}

/** A manifest whose `subject` is another, as the referrers API lists it (distribution-spec v1.1.1 "Listing Referrers"). */
export interface Referrer extends Descriptor {
  readonly artifactType: string | undefined;
  readonly annotations: Readonly<Record<string, string>>;
}

/** Some registries keep a repository under another name than people call it (Docker Hub: `alpine` is `library/alpine`). */
export interface RepositoryNamer {
  canonicalRepository(name: string): string;
}

/** A blob's bytes from `start` to its end; asked again, further on, when a push goes on after a break. */
export type OpenBlob = (
  start: number,
  options: { readonly signal: AbortSignal },
) => Promise<Readable>;

/** What is pushed under one digest. */
export interface PushedBlob {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
}

/**
 * A registry that we may write to. Besides the errors named, every call throws those of {@link ReadablePeer}, UpstreamRefused
 * with the registry's own words, and OciError NAME_UNKNOWN where the repository, or what it should be in, is not there.
 */
export interface WritablePeer {
  /** Makes the namespace or repository that a push needs. Left out where the registry makes it itself. */
  preparePush?(
    repository: string,
    options: CallOptions & { readonly isPublic?: boolean },
  ): Promise<void>;
  /**
   * Whether the blob is in the repository now, taken from another one of the same registry. A session that was opened
   * instead is cancelled. False too where we may not read the other one. Tried once, and no failure of it opens a circuit.
   *
   * @throws UpstreamInvalid where the registry says that it mounted another digest
   */
  mountBlob(
    repository: string,
    digest: Digest,
    from: string,
    options: CallOptions,
  ): Promise<boolean>;
  /**
   * In one piece. After a break it asks how far the session came and goes on from there in chunks where the registry
   * can, else from the start. Resolves once the registry has acknowledged the blob. `sent` is told of every byte that left,
   * those that were in vain included. What `open` throws, and its streams, is thrown as it is.
   *
   * @throws ContentCutShort where `open` gave less than the blob's size
   */
  pushBlob(
    repository: string,
    blob: PushedBlob,
    open: OpenBlob,
    options: CallOptions & { readonly sent?: (bytes: number) => void },
  ): Promise<void>;
  /** Under its digest or a tag. @throws UpstreamInvalid where the registry says that it keeps it under another digest */
  pushManifest(
    repository: string,
    reference: string,
    manifest: Manifest,
    options: CallOptions,
  ): Promise<void>;
  /** With the tags that point to it. @throws OciError MANIFEST_UNKNOWN; UNSUPPORTED where the registry has no such operation */
  deleteManifest(repository: string, digest: Digest, options: CallOptions): Promise<void>;
  /** The tag alone. @throws OciError MANIFEST_UNKNOWN; UNSUPPORTED where the registry has no such operation */
  deleteTag(repository: string, tag: string, options: CallOptions): Promise<void>;
}

/** What a tag is, where a registry tells it for many at once. */
export interface TagFacts {
  readonly name: string;
  readonly digest: Digest;
  /** Milliseconds UTC. */
  readonly pushedAt?: number | undefined;
  readonly labels?: readonly string[];
}

/** What a registry can list beyond the tags of distribution-spec. */
export interface ListingPeer {
  /**
   * All repositories that we may see, page after page, those that start with `prefix` where it is given. Left out where
   * the registry cannot list.
   *
   * @throws OciError UNSUPPORTED
   */
  repositories?(options: CallOptions & { readonly prefix?: string }): AsyncIterable<string>;
  /** Tags with what they point to, one call for many of them. Left out where only HEAD tells. @throws OciError NAME_UNKNOWN */
  tagDigests?(repository: string, options: CallOptions): AsyncIterable<TagFacts>;
  /**
   * A repository of that project that has the blob and that we may mount it from. Left out where the registry does not tell.
   * Asked once, and no failure of it opens a circuit.
   */
  repositoryWith?(
    digest: Digest,
    options: CallOptions & { readonly project: string },
  ): Promise<string | undefined>;
}

/** A registry as an adapter connects it. */
export type RegistryPeer = ReadablePeer & WritablePeer & ListingPeer & Partial<RepositoryNamer>;
