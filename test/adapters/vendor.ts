import type { Digest } from '../../src/oci/digest.ts';
import type { Manifest } from '../../src/oci/manifest.ts';
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

/** What can be read from, of any adapter: the half of a vendor that a classic Helm repository has, too. */
export interface Readable
  extends AsyncDisposable,
    Pick<Vendor, 'upstream' | 'peer' | 'connect' | 'lock' | 'known'> {
  /** Puts an artifact there; its repository is made for it. */
  hold(repository: string, tag: string): Promise<Held>;
}

/** An artifact, and one of its blobs, of ten bytes at least. */
export interface Held {
  readonly manifest: Manifest;
  readonly digest: Digest;
  readonly content: Buffer;
}

export type StartReadable = () => Promise<Readable>;

export interface VendorSettings {
  readonly credential?: { readonly username: string; readonly password: string };
  readonly limits?: Partial<RegistryLimits>;
}

export type StartVendor = (options?: UpstreamOptions) => Promise<Vendor>;

/** Another digest than anything has. */
export const NOWHERE = `sha256:${'0'.repeat(64)}` as const;

/** A vendor's registry as one that is read, with images in it. */
export function readableOf(start: StartVendor): StartReadable {
  return async () => {
    const vendor = await start();
    return {
      ...vendor,
      async hold(repository, tag) {
        const content = Buffer.from('0123456789');
        const { bytes, manifest, layers } = vendor.upstream.addImage(repository, tag, [content]);
        const [{ digest } = { digest: NOWHERE }] = layers;
        return { manifest: { bytes, descriptor: manifest }, digest, content };
      },
      [Symbol.asyncDispose]: () => vendor[Symbol.asyncDispose](),
    };
  };
}

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
