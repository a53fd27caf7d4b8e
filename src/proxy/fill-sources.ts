import type { Digest } from '../oci/digest.ts';
import type { FillSource } from '../transfer/fill-source.ts';
import type { Upstream } from './upstreams.ts';

/** A blob of that repository: from its endpoints in order, anew each time that a transfer breaks off. */
export function fillSourceOf(upstream: Upstream, digest: Digest): FillSource {
  const { id, isPublic } = upstream.project;
  return {
    host: upstream.host,
    project: id,
    privateTo: isPublic ? undefined : String(id),
    open: (range, options) =>
      upstream.ask((peer, path) => peer.blob(path, digest, { ...options, range }), options),
  };
}
