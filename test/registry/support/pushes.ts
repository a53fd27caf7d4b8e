/** Pushes of one blob to a registry that misbehaves. */
import { digestOf } from '../../../src/oci/digest.ts';
import type { OpenBlob, RegistryPeer } from '../../../src/registry/peer.ts';
import type { RegistryClient } from '../../../src/registry/registry-client.ts';
import { opening } from '../../adapters/conformance-pushes.ts';
import { connectPeer, type PeerSettings } from '../../support/registry-peer.ts';
import { startUpstream, type Upstream } from '../../support/upstream.ts';
import type { UploadRules } from '../../support/upstream-uploads.ts';

export const MIB = 2 ** 20;
export const BYTES = Buffer.from(Array.from({ length: 8 * MIB }, (_, at) => (at * 7) % 253));
export const BLOB = { digest: digestOf(BYTES), size: BYTES.length };
export const LIMITS = {
  chunkBytes: 2 * MIB,
  silenceMs: 300,
  commitMs: 1_000,
  firstByteMs: 2_000,
  pauseMs: 1,
};
export const PUT = { method: 'PUT', path: /uploads/ } as const;
export const PATCH = { method: 'PATCH', path: /uploads/ } as const;
export const signal = AbortSignal.timeout(120_000);

export interface PushWorld extends AsyncDisposable {
  readonly upstream: Upstream;
  readonly peer: RegistryPeer;
  readonly client: RegistryClient;
  /** Where the content was opened. */
  readonly opened: number[];
  run(open?: OpenBlob, stopping?: AbortSignal): Promise<void>;
}

export async function world(
  rules: UploadRules = {},
  settings: Partial<PeerSettings> = {},
): Promise<PushWorld> {
  const stack = new AsyncDisposableStack();
  const upstream = stack.use(await startUpstream());
  upstream.uploads.rules = rules;
  const connected = stack.use(connectPeer({ url: upstream.url, limits: LIMITS, ...settings }));
  const opened: number[] = [];
  const content = opening(BYTES);
  return {
    upstream,
    opened,
    peer: connected.peer,
    client: connected.client,
    run: (open = content, stopping = signal) =>
      connected.peer.pushBlob(
        'team/app',
        BLOB,
        (start, options) => {
          opened.push(start);
          return open(start, options);
        },
        { signal: stopping },
      ),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
