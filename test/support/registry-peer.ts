import { EndpointConfig } from '../../adapters/index.ts';
import { createMemoryCache } from '../../src/cache/cache.ts';
import type { LeftUploads } from '../../src/registry/left-uploads.ts';
import type { RegistryLimits } from '../../src/registry/limits.ts';
import type { RegistryPeer } from '../../src/registry/peer.ts';
import { createRegistryClient, type RegistryClient } from '../../src/registry/registry-client.ts';
import type { Capabilities } from '../../src/registry/vendor.ts';

export interface ConnectedPeer extends Disposable {
  readonly peer: RegistryPeer;
  readonly capabilities: Capabilities;
  readonly client: RegistryClient;
}

export interface PeerSettings {
  /** `distribution` by default. */
  readonly adapter?: string;
  readonly url: URL | string;
  readonly credential?: { readonly username: string; readonly password: string };
  readonly options?: object;
  readonly allowPrivateAddress?: boolean;
  readonly reservedPulls?: number;
  readonly ca?: string;
  readonly limits?: Partial<RegistryLimits>;
  readonly leftUploads?: LeftUploads;
  /** Of another endpoint of the same node. */
  readonly client?: RegistryClient;
  readonly now?: () => number;
}

/** Short enough for a test, long enough for a busy machine. */
export const QUICK: Partial<RegistryLimits> = { pauseMs: 1, firstByteMs: 2_000, silenceMs: 2_000 };

/** A peer as the configuration would connect it, until the test's scope ends. */
export function connectPeer(settings: PeerSettings): ConnectedPeer {
  const { adapter = 'distribution', url, credential, options, ca, reservedPulls } = settings;
  const client = settings.client ?? newClient(settings);
  const endpoint = EndpointConfig.parse({
    adapter,
    url: String(url),
    allowPrivateAddress: settings.allowPrivateAddress ?? true,
    ...(credential === undefined ? {} : { credential }),
    ...(options === undefined ? {} : { options }),
    ...(reservedPulls === undefined ? {} : { reservedPulls }),
  });
  return {
    peer: endpoint.connect({ name: 'upstream', ca }, client),
    capabilities: endpoint.capabilities,
    client,
    [Symbol.dispose]: () => client[Symbol.dispose](),
  };
}

function newClient(settings: PeerSettings): RegistryClient {
  return createRegistryClient({
    userAgent: 'portolan/test',
    cache: createMemoryCache(),
    ...(settings.leftUploads === undefined ? {} : { leftUploads: settings.leftUploads }),
    now: settings.now ?? Date.now,
    limits: { ...QUICK, ...settings.limits },
  });
}
