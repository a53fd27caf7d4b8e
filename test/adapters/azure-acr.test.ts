import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { connectPeer } from '../support/registry-peer.ts';
import { json, startUpstream, type Upstream } from '../support/upstream.ts';
import { conformsToPeer } from './conformance.ts';
import { conformsToLists } from './conformance-listings.ts';
import { conformsToPlainRegistry } from './conformance-plain.ts';
import { vendorOf } from './vendor.ts';

const signal = AbortSignal.timeout(120_000);
const PAGE_SIZE = 2;

/** A registry with the API of https://learn.microsoft.com/rest/api/containerregistry/ (2021-07-01): tags, and a tag's deletion. */
async function startAzure() {
  const stack = new AsyncDisposableStack();
  const upstream = stack.use(await startUpstream());
  upstream.serveApi(/^\/acr\/v1\//, ({ method, url }) => {
    const [, name = '', tag] = /^\/acr\/v1\/(.+)\/_tags(?:\/(.+))?$/.exec(url.pathname) ?? [];
    return method === 'DELETE' ? untag(upstream, name, tag ?? '') : tagsOf(upstream, name, url);
  });
  const { peer } = stack.use(connectPeer({ adapter: 'azure-acr', url: upstream.url }));
  return {
    upstream,
    peer,
    hold: async (name: string, tag: string) =>
      upstream.addImage(name, tag, [Buffer.from(`${name}:${tag}`)]).manifest.digest,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

function tagsOf(upstream: Upstream, name: string, { searchParams }: URL) {
  const held = upstream.held.get(name);
  if (held === undefined) return json({ errors: [{ code: 'NAME_UNKNOWN' }] }, 404);
  const last = searchParams.get('last') ?? '';
  const after = [...held].filter(([tag]) => tag > last).toSorted(([a], [b]) => (a < b ? -1 : 1));
  const page = after.slice(0, PAGE_SIZE);
  const link = `</acr/v1/${name}/_tags?last=${page.at(-1)?.[0]}&n=${PAGE_SIZE}>; rel="next"`;
  const tags = page.map(([tag, digest]) => ({
    name: tag,
    digest,
    createdTime: '2026-07-01T10:00:00.1234567Z',
    lastUpdateTime: '2026-07-02T10:00:00.1234567Z',
    signed: false,
  }));
  const more = page.length < after.length ? { link } : {};
  return json({ registry: 'x.azurecr.io', imageName: name, tags }, 200, more);
}

function untag(upstream: Upstream, name: string, tag: string) {
  if (upstream.tagged(name, tag) === undefined) {
    return json({ errors: [{ code: 'TAG_UNKNOWN', message: 'tag is not found' }] }, 404);
  }
  upstream.remove(name, tag);
  return json(undefined, 202);
}

describe('the Azure adapter', () => {
  conformsToPeer(vendorOf('azure-acr'));
  conformsToPlainRegistry(vendorOf('azure-acr'));
  conformsToLists({ adapter: 'azure-acr', moreThanPage: 5, start: startAzure });

  it('tells when a tag was pushed', async () => {
    await using registry = await startAzure();
    const digest = await registry.hold('team/app', '1.0');

    const tags = await Array.fromAsync(registry.peer.tagDigests?.('team/app', { signal }) ?? []);

    assert.deepEqual(tags, [
      { name: '1.0', digest, pushedAt: Date.parse('2026-07-02T10:00:00.123Z') },
    ]);
  });

  it('asks for what listing tags needs, and for that alone where it lists', async () => {
    await using upstream = await startUpstream();
    upstream.addImage('team/app', '1.0', []);
    upstream.requireToken();
    using connected = connectPeer({ adapter: 'azure-acr', url: upstream.url });

    await Array.fromAsync(connected.peer.tags('team/app', { signal }));
    await connected.peer.headManifest('team/app', '1.0', { signal });

    const scopes = upstream
      .seen({ path: /^\/token/ })
      .map(({ path }) => new URL(path, upstream.url).searchParams.get('scope'));
    assert.deepEqual(scopes, [
      'repository:team/app:pull,metadata_read',
      'repository:team/app:pull',
    ]);
  });

  it('is what the machine is allowed to be, by a token that it exchanges at the registry', async () => {
    await using entra = await startUpstream();
    await using registry = await startUpstream();
    // As App Service gives tokens: https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference
    using _ = managedIdentityAt(new URL('msi/token', entra.url));
    entra.serveApi(/^\/msi\/token/, ({ url, headers }) => {
      assert.equal(headers['x-identity-header'], 'the-header');
      assert.equal(url.searchParams.get('resource'), 'https://containerregistry.azure.net');
      const expires_on = String(Math.floor(Date.now() / 1000) + 3600);
      const client_id = 'x';
      return json({ access_token: 'entra', expires_on, token_type: 'Bearer', client_id });
    });
    let given = 0;
    registry.serveApi(/^\/oauth2\/exchange$/, ({ body }) => {
      const form = new URLSearchParams(body.toString());
      assert.equal(form.get('grant_type'), 'access_token');
      assert.equal(form.get('service'), registry.host);
      assert.equal(form.get('access_token'), 'entra');
      const refresh_token = `refresh-${++given}`;
      takes(registry, refresh_token);
      return json({ refresh_token });
    });
    registry.addImage('team/app', '1.0', []);
    takes(registry, 'nothing yet');
    let ms = 0;
    const now = () => Date.now() + ms;
    const asked = { adapter: 'azure-acr', url: registry.url, now, options: { asMachine: true } };
    using connected = connectPeer(asked);
    const head = () => connected.peer.headManifest('team/app', '1.0', { signal });

    await head();
    await head();
    assert.equal(given, 1);

    ms += 120_000;
    takes(registry, 'another');
    registry.tokens.expireAll();
    await head();
    assert.equal(given, 2);
  });
});

function takes(registry: Upstream, password: string): void {
  const zeros = '00000000-0000-0000-0000-000000000000';
  registry.requireToken({ users: { [zeros]: password }, anonymous: false });
}

/** Only what is said here, until the scope ends. */
function managedIdentityAt(url: URL): Disposable {
  const former = { ...process.env };
  for (const name of Object.keys(process.env))
    if (name.startsWith('AZURE_')) delete process.env[name];
  process.env['IDENTITY_ENDPOINT'] = url.href;
  process.env['IDENTITY_HEADER'] = 'the-header';
  return {
    [Symbol.dispose]() {
      process.env = former;
    },
  };
}
