import { algorithmOf, type Digest, digestOf, isDigest } from '../oci/digest.ts';
import { OciError } from '../oci/error.ts';
import { type Manifest, parseManifest } from '../oci/manifest.ts';
import { ACCEPTED_MANIFESTS, essenceOf } from '../oci/media-type.ts';
import { parseReference } from '../oci/reference.ts';
import { readBlob, sizeIn } from './blob-part.ts';
import { pushBlob, type UploadAbilities } from './blob-push.ts';
import { listCatalog } from './catalog.ts';
import { UpstreamDenied, UpstreamInvalid } from './errors.ts';
import { jsonIn } from './json.ts';
import type { CallOptions, ListingPeer, ReadablePeer, WritablePeer } from './peer.ts';
import { Referrers } from './referrers.ts';
import type { RegistryCalls, RegistryClient } from './registry-client.ts';
import {
  type DistributionAccess,
  type RepositoryCalls,
  refusal,
  repositoryCalls,
} from './repository-calls.ts';
import { listTags } from './tags.ts';
import { writesTo } from './writes.ts';

/** Some answer with a page of words. */
const MOST_PING_BYTES = 64 * 1024;
/** Of this project's own: other registries do not know it. */
const REPLICATION = { 'portolan-replication': 'true' };
const ACCEPT = { accept: ACCEPTED_MANIFESTS.join(', ') };

export interface DistributionOptions extends DistributionAccess {
  /** In chunks of any size where it is left out. */
  readonly uploads?: UploadAbilities;
  /** What listing tags is called in scopes, where that is not a pull. */
  readonly listing?: string;
  /** What deleting is called there: `pull,push,delete` where it is left out. */
  readonly deleting?: string;
}

/** A peer that speaks distribution-spec v1.1.1 and `_catalog`, and nothing else; vendors build on it. */
export function distributionPeer(
  { uploads = { chunks: true }, listing = 'pull', deleting, ...access }: DistributionOptions,
  client: RegistryClient,
): DistributionPeer {
  const at = repositoryCalls(access, client);
  const base = access.url;
  const referrers = new Referrers(at);
  const reading = readsFrom(at, { ...access, listing, referrers });
  return {
    ...reading,
    ...writesTo(at, { base, referrers, deleting }),

    // end-4a, end-5, end-6, end-13
    pushBlob: (repository, blob, open, options) =>
      pushBlob({ at, repository, base }, blob, open, {
        ...options,
        abilities: uploads,
        uploads: client.uploads,
        async isThere() {
          try {
            const size = await reading.blobSize(repository, blob.digest, options);
            return size === blob.size;
          } catch (error) {
            if (error instanceof OciError && error.code === 'BLOB_UNKNOWN') return false;
            throw error;
          }
        },
      }),

    repositories: (options) => listCatalog(at.calls, base, options),
  };
}

/** Everything that the specification has, and the one list that it has not. */
export type DistributionPeer = ReadablePeer &
  WritablePeer &
  Required<Pick<ListingPeer, 'repositories'>>;

function readsFrom(
  at: RepositoryCalls,
  access: DistributionAccess & { readonly listing: string; readonly referrers: Referrers },
): ReadablePeer {
  const { calls, host } = at;

  return {
    ping: (options) => ping(calls, access, options),
    assertPulls: () => calls.assertPulls(),

    // end-3
    async headManifest(repository, reference, options) {
      parseReference(reference);
      const asking = { ...options, method: 'HEAD', headers: ACCEPT } as const;
      const call = at.to(repository, `manifests/${reference}`, asking);
      const { status, headers } = await calls.read(call, 0);
      if (status === 405) return undefined;
      if (status !== 200) throw refusal(call, status, 'MANIFEST_UNKNOWN');
      const digest = digestIn(headers['docker-content-digest']);
      if (isDigest(reference) && digest !== undefined && digest !== reference) {
        throw new UpstreamInvalid(host, `${digest} where ${reference} was asked for`);
      }
      const mediaType = essenceOf(headers['content-type'] ?? '');
      // No type is empty, nor is a manifest: some answer HEAD with a length of 0.
      const size = sizeIn(headers['content-length']);
      return { digest, mediaType: mediaType || undefined, size: size || undefined };
    },

    // end-3
    async manifest(repository, reference, options) {
      parseReference(reference);
      const asked = { ...ACCEPT, ...(options.isReplication === true ? REPLICATION : {}) };
      const call = at.to(repository, `manifests/${reference}`, { ...options, headers: asked });
      const { status, headers, bytes } = await calls.read(call, calls.limits.manifestBytes);
      if (status !== 200) throw refusal(call, status, 'MANIFEST_UNKNOWN');
      const claimed = isDigest(reference) ? reference : digestIn(headers['docker-content-digest']);
      return manifestIn(bytes, { claimed, contentType: headers['content-type'], host });
    },

    // end-2
    async blobSize(repository, digest, options) {
      const call = at.to(repository, `blobs/${digest}`, { ...options, method: 'HEAD' });
      try {
        const { status, headers } = await calls.read(call, 0);
        if (status === 405) return undefined;
        if (status !== 200) throw refusal(call, status, 'BLOB_UNKNOWN');
        // Some answer HEAD with a length of 0, whatever they have.
        return sizeIn(headers['content-length']) || undefined;
      } catch (error) {
        // Its storage, not the registry: signed URLs are often good for GET alone.
        if (error instanceof UpstreamDenied && error.host !== host) return undefined;
        throw error;
      }
    },

    // end-2
    async blob(repository, digest, { range, lane = 'blob', ...options }) {
      const call = at.to(repository, `blobs/${digest}`, { ...options, lane });
      return readBlob(calls, call, range);
    },

    // end-8b
    tags: (repository, options) =>
      listTags(at, repository, { ...options, actions: access.listing }),

    // end-12a
    referrers: (repository, subject, options) =>
      access.referrers.list(repository, subject, options),
  };
}

/** end-1 */
async function ping(
  calls: RegistryCalls,
  access: DistributionAccess,
  { signal }: CallOptions,
): Promise<void> {
  const url = new URL('v2/', access.url);
  const call = { method: 'GET', url, scope: '', lane: 'control', signal } as const;
  try {
    const { status } = await calls.read(call, MOST_PING_BYTES);
    if (status !== 200) throw new UpstreamInvalid(url.host, `${status} to GET ${url.pathname}`);
  } catch (error) {
    // Many let nobody in here and give away what is public all the same.
    const isNobody = access.credential === undefined && error instanceof UpstreamDenied;
    if (!isNobody) throw error;
  }
}

interface Claims {
  readonly claimed: Digest | undefined;
  readonly contentType: string | undefined;
  readonly host: string;
}

function manifestIn(bytes: Buffer, { claimed, contentType, host }: Claims): Manifest {
  const digest = digestOf(bytes, claimed === undefined ? 'sha256' : algorithmOf(claimed));
  if (claimed !== undefined && claimed !== digest) {
    throw new UpstreamInvalid(host, `a manifest ${digest} where ${claimed} was announced`);
  }
  // A page that is no JSON is not the image's fault; JSON that is no manifest is.
  jsonIn(bytes, host);
  const { mediaType } = parseManifest(bytes, contentType);
  return { bytes, descriptor: { mediaType, digest, size: bytes.length } };
}

function digestIn(header: string | string[] | undefined): Digest | undefined {
  return typeof header === 'string' && isDigest(header) ? header : undefined;
}
