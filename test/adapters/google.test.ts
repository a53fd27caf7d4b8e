import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { connectPeer } from '../support/registry-peer.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { json, startUpstream, type Upstream } from '../support/upstream.ts';
import { conformsToPeer } from './conformance.ts';
import { conformsToLists } from './conformance-listings.ts';
import { conformsToPlainRegistry } from './conformance-plain.ts';
import { vendorOf } from './vendor.ts';

const signal = AbortSignal.timeout(120_000);

/** A registry whose lists are Google's (go-containerregistry v0.22 pkg/v1/google/list.go), and which keeps what has a tag. */
async function startGoogle(options: object = { roots: ['team', 'other'] }) {
  const stack = new AsyncDisposableStack();
  const upstream = stack.use(await startUpstream());
  upstream.serveApi(/\/tags\/list/, ({ url }) => listOf(upstream, url));
  const { peer } = stack.use(connectPeer({ adapter: 'google', url: upstream.url, options }));
  return {
    upstream,
    peer,
    hold: async (name: string, tag: string) =>
      upstream.addImage(name, tag, [Buffer.from(`${name}:${tag}`)]).manifest.digest,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

function listOf(upstream: Upstream, { pathname }: URL) {
  const name = pathname.slice('/v2/'.length, -'/tags/list'.length);
  const tags = upstream.held.get(name) ?? new Map();
  const below = [...upstream.held.keys()].filter((other) => other.startsWith(`${name}/`));
  if (below.length === 0 && !upstream.held.has(name)) {
    return json({ errors: [{ code: 'NAME_UNKNOWN' }] }, 404);
  }
  const child = [...new Set(below.map((other) => other.slice(name.length + 1).split('/')[0]))];
  const byDigest = Map.groupBy(tags, ([, digest]) => digest);
  const manifest = [...byDigest].map(([digest, of]) => {
    const tag = of.map(([each]) => each);
    return [digest, { tag, mediaType: '', imageSizeBytes: '1', timeUploadedMs: '1597767277119' }];
  });
  return json({ name, child, tags: [...tags.keys()], manifest: Object.fromEntries(manifest) });
}

describe('the Google adapter', () => {
  conformsToPeer(vendorOf('google'));
  conformsToPlainRegistry(vendorOf('google'));
  conformsToLists({ adapter: 'google', moreThanPage: 5, start: startGoogle });

  it('finds repositories below repositories, which may be none themselves', async () => {
    await using registry = await startGoogle({});
    await registry.hold('project/repository/app', '1.0');
    await registry.hold('project/repository/app/deep/er', '1.0');

    const prefix = 'project/repository/';
    const names = await Array.fromAsync(registry.peer.repositories?.({ signal, prefix }) ?? []);

    assert.deepEqual(names, ['project/repository/app', 'project/repository/app/deep/er']);
  });

  it('asks gcr.io for its catalogue where it is told no root', async () => {
    await using registry = await startGoogle({});
    await registry.hold('project/app', '1.0');

    const names = await Array.fromAsync(registry.peer.repositories?.({ signal }) ?? []);

    assert.deepEqual(names, ['project/app']);
    assert.equal(registry.upstream.count({ path: /_catalog/ }), 1);
  });

  it('tells when a tag was pushed', async () => {
    await using registry = await startGoogle();
    const digest = await registry.hold('team/app', '1.0');

    const tags = await Array.fromAsync(registry.peer.tagDigests?.('team/app', { signal }) ?? []);

    assert.deepEqual(tags, [{ name: '1.0', digest, pushedAt: 1_597_767_277_119 }]);
  });

  it('takes the tags away before their manifest', async () => {
    await using registry = await startGoogle();
    const digest = await registry.hold('team/app', '1.0');
    registry.upstream.tag('team/app', 'latest', digest);

    await registry.peer.deleteManifest('team/app', digest, { signal });

    const deleted = registry.upstream.seen({ method: 'DELETE' }).map(({ path }) => path);
    assert.deepEqual(deleted, [
      '/v2/team/app/manifests/1.0',
      '/v2/team/app/manifests/latest',
      `/v2/team/app/manifests/${digest}`,
    ]);
  });

  it('is what the machine is allowed to be, by a token that is renewed where it is refused', async () => {
    await using directory = await temporaryDirectory();
    await using sts = await startUpstream();
    await using registry = await startUpstream();
    registry.addImage('team/app', '1.0', []);
    let given = 0;
    sts.serveApi(/^\/token$/, () => {
      const access_token = `token-${++given}`;
      registry.requireBasic('oauth2accesstoken', access_token);
      const issued_token_type = 'urn:ietf:params:oauth:token-type:access_token';
      return json({ access_token, issued_token_type, token_type: 'Bearer', expires_in: 3600 });
    });
    const credentialsFile = await federationAt(directory.path, sts.url);
    let ms = 0;
    const now = () => Date.now() + ms;
    const options = { asMachine: true, credentialsFile };
    using connected = connectPeer({ adapter: 'google', url: registry.url, options, now });
    registry.requireBasic('oauth2accesstoken', 'none yet');
    const head = () => connected.peer.headManifest('team/app', '1.0', { signal });

    await head();
    await head();
    assert.equal(given, 1);

    ms += 60_000;
    registry.requireBasic('oauth2accesstoken', 'another');
    await head();
    assert.equal(given, 2);
  });

  it('says that it is refused where nobody says who the machine is', async () => {
    await using registry = await startUpstream();
    registry.requireBasic('oauth2accesstoken', 'x');
    const options = { asMachine: true, credentialsFile: '/nowhere/google.json' };
    using connected = connectPeer({ adapter: 'google', url: registry.url, options });

    await assert.rejects(connected.peer.ping({ signal }), { name: 'UpstreamDenied' });
  });
});

/** A workload identity federation (https://google.aip.dev/auth/4117) whose token service is `sts`. */
async function federationAt(folder: string, sts: URL): Promise<string> {
  const [subject, file] = [join(folder, 'subject'), join(folder, 'google.json')];
  await writeFile(subject, 'who this is');
  const audience =
    '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x';
  await writeFile(
    file,
    JSON.stringify({
      type: 'external_account',
      audience,
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      token_url: new URL('token', sts).href,
      credential_source: { file: subject },
    }),
  );
  return file;
}
