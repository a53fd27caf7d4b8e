import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EndpointConfig } from '../../adapters/index.ts';
import { connectPeer } from '../support/registry-peer.ts';
import { startUpstream, type UpstreamOptions } from '../support/upstream.ts';
import { startEcrPublicApi } from './apis/ecr-public-api.ts';
import { conformsToPeer } from './conformance.ts';
import type { VendorSettings } from './vendor.ts';

const signal = AbortSignal.timeout(120_000);
const KEY = { username: 'AKIAIOSFODNN7EXAMPLE', password: 'wJalrXUtnFEMI/K7MDENG' };

async function startEcrPublic(upstreamOptions?: UpstreamOptions) {
  const stack = new AsyncDisposableStack();
  const upstream = stack.use(await startUpstream(upstreamOptions));
  const api = stack.use(await startEcrPublicApi(upstream));
  const clock = { ms: 0 };
  const now = () => Date.now() + clock.ms;
  const options = { apiUrl: api.url.href };
  const asked = { adapter: 'ecr-public', url: upstream.url, now, options };
  const connected = (settings: VendorSettings) => stack.use(connectPeer({ ...asked, ...settings }));
  const { peer, capabilities } = connected({ credential: KEY });
  return {
    upstream,
    api,
    peer,
    nobody: connected({}).peer,
    capabilities,
    connect: (settings: VendorSettings) => connected({ credential: KEY, ...settings }).peer,
    lock: () => api.change(),
    known: () => peer,
    expire: () => {
      clock.ms += 60_000;
      api.change();
    },
    hold: (name: string, tag: string) =>
      upstream.addImage(name, tag, [Buffer.from(`${name}:${tag}`)]).manifest.digest,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

describe('the Amazon ECR Public adapter', () => {
  conformsToPeer(startEcrPublic);

  it('is one place, where no other URL is given', () => {
    const { url } = EndpointConfig.parse({ adapter: 'ecr-public' });

    assert.equal(url.href, 'https://public.ecr.aws/');
  });

  it('pulls as nobody, without asking the API', async () => {
    await using ecr = await startEcrPublic();
    const digest = ecr.hold('docker/library/alpine', '3.20');
    ecr.upstream.requireToken();

    const head = await ecr.nobody.headManifest('docker/library/alpine', '3.20', { signal });

    assert.equal(head?.digest, digest);
    assert.deepEqual(ecr.api.operations, []);
  });

  it('lists what is the account’s own, over all pages', async () => {
    await using ecr = await startEcrPublic();
    for (const name of ['team/app', 'team/base', 'team/deep/er', 'other/app']) ecr.hold(name, '1');

    const listed = (prefix?: string) =>
      Array.fromAsync(ecr.peer.repositories?.({ signal, ...(prefix && { prefix }) }) ?? []);

    assert.deepEqual(await listed(), ['team/app', 'team/base', 'team/deep/er']);
    assert.deepEqual(await listed('team/a'), ['team/app']);
    assert.deepEqual(await listed('other/'), []);
  });

  it('says that it lists nothing to nobody', async () => {
    await using ecr = await startEcrPublic();

    await assert.rejects(Array.fromAsync(ecr.nobody.repositories?.({ signal }) ?? []), {
      code: 'UNSUPPORTED',
      message: /needs a credential/,
    });
  });

  it('makes the repository that a push needs, once, under its name without the alias', async () => {
    await using ecr = await startEcrPublic();

    for (let i = 0; i < 2; i++) await ecr.peer.preparePush?.('team/fresh', { signal });

    assert.deepEqual(ecr.api.operations, ['DescribeRepositories', 'CreateRepository']);
    assert.deepEqual(await Array.fromAsync(ecr.peer.repositories?.({ signal }) ?? []), [
      'team/fresh',
    ]);
    await assert.rejects(ecr.peer.preparePush?.('alone', { signal }) ?? Promise.resolve(), {
      code: 'NAME_INVALID',
    });
  });

  it('deletes tags and manifests, or says that there are none', async () => {
    await using ecr = await startEcrPublic();
    ecr.hold('team/app', '1.0');
    const digest = ecr.hold('team/app', '2.0');

    await ecr.peer.deleteTag('team/app', '1.0', { signal });
    await ecr.peer.deleteManifest('team/app', digest, { signal });

    assert.deepEqual([...(ecr.upstream.held.get('team/app') ?? [])], []);
    await assert.rejects(ecr.peer.deleteTag('team/app', '1.0', { signal }), {
      code: 'MANIFEST_UNKNOWN',
    });
  });
});
