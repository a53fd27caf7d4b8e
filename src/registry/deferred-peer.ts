import type { CallOptions, ReadablePeer, WritablePeer } from './peer.ts';

/**
 * A registry whose place is not known before somebody was asked: `open` is, with the first call that needs it, and again
 * with the next one where it could not say.
 */
export function deferredPeer<Peer extends ReadablePeer & WritablePeer>(
  open: (options: CallOptions) => Promise<Peer>,
): ReadablePeer & WritablePeer {
  let opened: Peer | undefined;
  const peer = async (options: CallOptions): Promise<Peer> => {
    const found = opened ?? (await open(options));
    opened ??= found;
    return opened;
  };
  return {
    ping: async (options) => (await peer(options)).ping(options),
    headManifest: async (repository, reference, options) =>
      (await peer(options)).headManifest(repository, reference, options),
    manifest: async (repository, reference, options) =>
      (await peer(options)).manifest(repository, reference, options),
    blobSize: async (repository, digest, options) =>
      (await peer(options)).blobSize(repository, digest, options),
    blob: async (repository, digest, options) =>
      (await peer(options)).blob(repository, digest, options),
    async *tags(repository, options) {
      yield* (await peer(options)).tags(repository, options);
    },
    referrers: async (repository, subject, options) =>
      (await peer(options)).referrers(repository, subject, options),
    mountBlob: async (repository, digest, from, options) =>
      (await peer(options)).mountBlob(repository, digest, from, options),
    pushBlob: async (repository, blob, content, options) =>
      (await peer(options)).pushBlob(repository, blob, content, options),
    pushManifest: async (repository, reference, manifest, options) =>
      (await peer(options)).pushManifest(repository, reference, manifest, options),
    deleteManifest: async (repository, digest, options) =>
      (await peer(options)).deleteManifest(repository, digest, options),
    deleteTag: async (repository, tag, options) =>
      (await peer(options)).deleteTag(repository, tag, options),
  };
}
