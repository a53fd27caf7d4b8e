import type { Readable } from 'node:stream';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import type { Manifest } from '../oci/manifest.ts';

/** Every call that waits on the network takes one; aborting it rejects with `signal.reason`. */
export interface CallOptions {
  readonly signal: AbortSignal;
  /** Aborted when nobody waits for the answer any more: ends a request that was not sent yet, and none that was. */
  readonly abandoned?: AbortSignal | undefined;
}

/** What a HEAD said of a manifest; registries leave parts of it out. */
export interface ManifestHead {
  readonly digest: Digest | undefined;
  readonly mediaType: string | undefined;
  /** Bytes. */
  readonly size: number | undefined;
}

/** Among which a blob's bytes come: of those that are kept as they come, or of those that their reader lets come. */
export type BlobLane = 'blob' | 'passed';

/** Part of a blob, on its way. */
export interface BlobPart {
  /** Where the bytes start: 0 where the peer ignored the range that was asked for. */
  readonly start: number;
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

/** A registry as an adapter connects it. */
export type RegistryPeer = ReadablePeer & Partial<RepositoryNamer>;
