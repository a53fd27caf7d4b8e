import type { RegistryLimits } from '../../src/registry/limits.ts';
import type { RegistryPeer } from '../../src/registry/peer.ts';
import type { Capabilities } from '../../src/registry/vendor.ts';
import { connectPeer } from '../support/registry-peer.ts';
import { startUpstream, type Upstream, type UpstreamOptions } from '../support/upstream.ts';

/** A vendor's registry in a test's hands, and how this node sees it. */
export interface Vendor extends AsyncDisposable {
  readonly upstream: Upstream;
  /** As nobody. */
  readonly peer: RegistryPeer;
  readonly capabilities: Capabilities;
  /** The same registry, connected otherwise. */
  connect(settings: VendorSettings): RegistryPeer;
  /** From now on only who brings the credential gets in. */
  lock(): void;
  /** As who has the credential. */
  known(): RegistryPeer;
  /** What was given for the credential is good no more; something else is to be had for it. */
  expire(): void;
}

export interface VendorSettings {
  readonly credential?: { readonly username: string; readonly password: string };
  readonly limits?: Partial<RegistryLimits>;
}

export type StartVendor = (options?: UpstreamOptions) => Promise<Vendor>;

/** Another digest than anything has. */
export const NOWHERE = `sha256:${'0'.repeat(64)}` as const;

/** A registry on this machine in the vendor's role. */
export function vendorOf(adapter: string, options: object = {}): StartVendor {
  return async (upstreamOptions) => {
    const stack = new AsyncDisposableStack();
    const upstream = stack.use(await startUpstream(upstreamOptions));
    const connected = (settings: VendorSettings) =>
      stack.use(connectPeer({ adapter, url: upstream.url, options, ...settings }));
    const { peer, capabilities } = connected({});
    return {
      upstream,
      peer,
      capabilities,
      connect: (settings) => connected(settings).peer,
      lock: () => upstream.requireToken({ users: { me: 'secret' }, anonymous: false }),
      known: () => connected({ credential: { username: 'me', password: 'secret' } }).peer,
      expire: () => upstream.tokens.expireAll(),
      [Symbol.asyncDispose]: () => stack.disposeAsync(),
    };
  };
}
