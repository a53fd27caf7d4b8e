import { isDeepStrictEqual } from 'node:util';
import type { RegistryPeer } from '../registry/peer.ts';
import type { Link } from '../transfer/shaping.ts';

/** A remote registry, ready to be asked. */
export interface ConnectedEndpoint {
  readonly peer: RegistryPeer;
  /** `host` or `host:port`. */
  readonly host: string;
  /** The name under which it keeps a repository that people call so. */
  readonly canonicalRepository: (path: string) => string;
  /** How many parts, apart by slashes, its repositories' names have at least. */
  readonly leastNameParts: number;
  /** How fast blobs may go from there and to there. `peer` knows nothing of it. */
  readonly link: Link;
}

export interface EndpointsOptions<Known extends { readonly name: string }> {
  /** Those that there are at the moment. */
  readonly known: () => Promise<readonly Known[]>;
  /** Opens nothing: the first question does. */
  readonly connect: (endpoint: Known) => Promise<ConnectedEndpoint>;
}

export interface Endpoints {
  /** Undefined where there is none of that name (any more). One that was changed is connected anew. */
  find(name: string): Promise<ConnectedEndpoint | undefined>;
}

/** Endpoints by name, as they are now: what the API makes or changes is in use with the next question. */
export function createEndpoints<Known extends { readonly name: string }>({
  known,
  connect,
}: EndpointsOptions<Known>): Endpoints {
  const connected = new Map<
    string,
    { readonly of: Known; readonly as: Promise<ConnectedEndpoint> }
  >();
  return {
    async find(name) {
      const endpoint = (await known()).find((each) => each.name === name);
      const before = connected.get(name);
      if (endpoint === undefined) {
        connected.delete(name);
        return undefined;
      }
      // What it has learnt about the registry, its tokens and its patience, is good until something changes.
      if (before !== undefined && isDeepStrictEqual(before.of, endpoint)) return before.as;
      const entry = { of: endpoint, as: connect(endpoint) };
      connected.set(name, entry);
      entry.as.catch(() => {
        if (connected.get(name) === entry) connected.delete(name);
      });
      return entry.as;
    },
  };
}
