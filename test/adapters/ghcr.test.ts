import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EndpointConfig } from '../../adapters/index.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { UpstreamThrottled } from '../../src/registry/errors.ts';
import { connectPeer } from '../support/registry-peer.ts';
import { startUpstream, type UpstreamOptions } from '../support/upstream.ts';
import { startGitHubApi } from './apis/github-api.ts';
import { conformsToPeer } from './conformance.ts';
import { conformsToLists } from './conformance-listings.ts';
import { conformsToPlainRegistry } from './conformance-plain.ts';
import { opening } from './conformance-pushes.ts';
import { type VendorSettings, vendorOf } from './vendor.ts';

const signal = AbortSignal.timeout(120_000);
const ME = { username: 'me', password: 'ghp_x' };
const MIB = 2 ** 20;

async function startGhcr(upstreamOptions?: UpstreamOptions, owners = ['team', 'other']) {
  const stack = new AsyncDisposableStack();
  const upstream = stack.use(await startUpstream(upstreamOptions));
  const github = stack.use(await startGitHubApi(upstream, ME.password));
  const asked = { adapter: 'ghcr', url: upstream.url };
  const connected = (settings: VendorSettings) =>
    stack.use(connectPeer({ ...asked, options: { apiUrl: github.url.href, owners }, ...settings }));
  const { peer, capabilities } = connected({ credential: ME });
  return {
    upstream,
    github,
    peer,
    nobody: connected({}).peer,
    capabilities,
    connect: (settings: VendorSettings) => connected({ credential: ME, ...settings }).peer,
    lock: () => upstream.requireToken({ users: { me: ME.password }, anonymous: false }),
    known: () => peer,
    expire: () => upstream.tokens.expireAll(),
    hold: async (name: string, tag: string) =>
      upstream.addImage(name, tag, [Buffer.from(`${name}:${tag}`)]).manifest.digest,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

describe('the GHCR adapter', () => {
  conformsToPeer(startGhcr);
  conformsToPlainRegistry(vendorOf('ghcr'));
  conformsToLists({ adapter: 'ghcr', moreThanPage: 5, start: startGhcr });

  it('is one place, where no other URL is given', () => {
    assert.equal(EndpointConfig.parse({ adapter: 'ghcr' }).url.href, 'https://ghcr.io/');
  });

  it('lists the packages of the credential’s user where it is told no owner', async () => {
    await using ghcr = await startGhcr({}, []);
    for (const name of ['me/app', 'me/deep/er', 'team/app']) await ghcr.hold(name, '1.0');

    const names = await Array.fromAsync(ghcr.peer.repositories?.({ signal }) ?? []);

    assert.deepEqual(names, ['me/app', 'me/deep/er']);
  });

  it('finds the versions of a package whose name has slashes, of a user and of an organisation', async () => {
    await using ghcr = await startGhcr();
    for (const name of ['team/deep/er', 'other/deep/er']) {
      const digest = await ghcr.hold(name, '1.0');

      const tags = await Array.fromAsync(ghcr.peer.tagDigests?.(name, { signal }) ?? []);

      const pushedAt = Date.parse('2026-07-01T10:00:00Z');
      assert.deepEqual(tags, [{ name: '1.0', digest, pushedAt }]);
    }
  });

  it('says that it lists nothing to nobody', async () => {
    await using ghcr = await startGhcr();

    await assert.rejects(Array.fromAsync(ghcr.nobody.repositories?.({ signal }) ?? []), {
      code: 'UNSUPPORTED',
      message: /needs a token/,
    });
  });

  it('takes what GitHub says of its budget for what it is', async () => {
    await using ghcr = await startGhcr();
    const reset = Math.floor(Date.now() / 1000) + 50;
    const headers = { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': String(reset) };
    ghcr.github.behave({}, { status: 403, headers });

    await assert.rejects(Array.fromAsync(ghcr.peer.repositories?.({ signal }) ?? []), (error) => {
      assert.ok(error instanceof UpstreamThrottled);
      assert.ok((error.retryAfterSeconds ?? 0) > 40, String(error.retryAfterSeconds));
      return true;
    });
  });

  it('sends no chunk over 4 MiB', async () => {
    await using ghcr = await startGhcr();
    const bytes = Buffer.alloc(9 * MIB, 'x');
    const blob = { digest: digestOf(bytes), size: bytes.length };
    ghcr.upstream.behave({ method: 'PUT', path: /uploads/, times: 1 }, { resetBodyAfter: MIB });

    await ghcr.peer.pushBlob('team/app', blob, opening(bytes), { signal });

    const sizes = ghcr.upstream
      .seen({ method: 'PATCH' })
      .map(({ headers }) => Number(headers['content-length']));
    assert.deepEqual(sizes, [4 * MIB, 4 * MIB]);
  });
});
