import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { connectPeer } from '../support/registry-peer.ts';
import { type ApiQuestion, json, startUpstream, type Upstream } from '../support/upstream.ts';
import { conformsToPeer } from './conformance.ts';
import { conformsToLists } from './conformance-listings.ts';
import { conformsToPlainRegistry } from './conformance-plain.ts';
import { vendorOf } from './vendor.ts';

const signal = AbortSignal.timeout(120_000);
const TOKEN = { username: '$oauthtoken', password: 'app-token' };
const PAGE_SIZE = 2;

/** A registry with the API of https://docs.quay.io/api/swagger/ (v1) as far as it lists and makes; `team` and `other` are there. */
async function startQuay({
  credential,
  ...options
}: {
  credential?: typeof TOKEN;
  namespaces?: string[];
}) {
  const stack = new AsyncDisposableStack();
  const upstream = stack.use(await startUpstream());
  const made: object[] = [];
  upstream.serveApi(/^\/api\/v1\//, (question) => {
    const { authorization } = question.headers;
    const isKnown = authorization === `Bearer ${TOKEN.password}`;
    if (authorization !== undefined && !isKnown) return json({ error_message: 'invalid' }, 401);
    return answerOf(upstream, question, { isKnown, made });
  });
  const asked = { adapter: 'quay', url: upstream.url, options };
  const { peer } = stack.use(connectPeer({ ...asked, ...(credential && { credential }) }));
  return {
    upstream,
    made,
    peer,
    hold: async (name: string, tag: string) =>
      upstream.addImage(name, tag, [Buffer.from(`${name}:${tag}`)]).manifest.digest,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

function answerOf(
  upstream: Upstream,
  { method, url, body }: ApiQuestion,
  { isKnown, made }: { isKnown: boolean; made: object[] },
) {
  const path = url.pathname.slice('/api/v1/'.length);
  if (method === 'POST') {
    if (!isKnown) return json({ error_message: 'who?' }, 401);
    made.push({ path, ...JSON.parse(body.toString()) });
    return json('Created', 201);
  }
  if (path === 'user/') {
    return json({ username: 'me', organizations: [{ name: 'team' }, { name: 'other' }] });
  }
  if (path === 'repository') return repositories(upstream, url, isKnown);
  if (/^organization\/(?:team|other)$/.test(path)) return json({ name: path.split('/')[1] });
  if (path === 'users/me') return json({ username: 'me' });
  const [, name = ''] = /^repository\/([^/]+\/[^/]+)\/tag\/$/.exec(path) ?? [];
  return name === '' ? undefined : tags(upstream, decodeURIComponent(name), url);
}

function repositories(upstream: Upstream, { searchParams }: URL, isKnown: boolean) {
  if (!isKnown && searchParams.get('public') !== 'true') return json({ repositories: [] });
  const start = Number(searchParams.get('next_page') ?? 0);
  const all = [...upstream.held.keys()]
    .filter((name) => name.startsWith(`${searchParams.get('namespace')}/`))
    .map((name) => ({ namespace: name.split('/')[0], name: name.split('/').slice(1).join('/') }));
  const end = start + PAGE_SIZE;
  const next = end < all.length ? { next_page: String(end) } : {};
  return json({ repositories: all.slice(start, end), ...next });
}

function tags(upstream: Upstream, name: string, { searchParams }: URL) {
  const held = upstream.held.get(name);
  if (held === undefined) return json({ error_message: 'Not Found', status: 404 }, 404);
  assert.equal(searchParams.get('onlyActiveTags'), 'true');
  const page = Number(searchParams.get('page'));
  const end = page * PAGE_SIZE;
  const all = [...held].map(([tag, digest]) => ({
    name: tag,
    manifest_digest: digest,
    start_ts: 1_780_000_000,
  }));
  return json({ tags: all.slice(end - PAGE_SIZE, end), page, has_additional: end < all.length });
}

describe('the Quay adapter', () => {
  conformsToPeer(vendorOf('quay'));
  conformsToPlainRegistry(vendorOf('quay'));
  conformsToLists({
    adapter: 'quay',
    moreThanPage: 5,
    start: () => startQuay({ credential: TOKEN }),
  });

  it('lists what is public in the namespaces that it is told, to nobody', async () => {
    await using quay = await startQuay({ namespaces: ['team'] });
    await quay.hold('team/app', '1.0');

    assert.deepEqual(await Array.fromAsync(quay.peer.repositories?.({ signal }) ?? []), [
      'team/app',
    ]);
    const { searchParams } = new URL(quay.upstream.requests[0]?.path ?? '', quay.upstream.url);
    assert.equal(searchParams.get('public'), 'true');
  });

  it('says that it needs a namespace where it is told none, and has no token', async () => {
    await using quay = await startQuay({});

    await assert.rejects(Array.fromAsync(quay.peer.repositories?.({ signal }) ?? []), {
      code: 'UNSUPPORTED',
      message: /options\.namespaces/,
    });
  });

  it('understands the credential that Harbor’s users give', async () => {
    const secret = {
      oauth2_token: TOKEN.password,
      account_name: 'team+robot',
      docker_cli_password: 'secret',
    };
    const credential = { username: 'json_file', password: JSON.stringify(secret) };
    await using quay = await startQuay({ credential });
    const digest = await quay.hold('team/app', '1.0');
    quay.upstream.requireToken({ users: { 'team+robot': 'secret' }, anonymous: false });

    const names = await Array.fromAsync(quay.peer.repositories?.({ signal }) ?? []);
    const head = await quay.peer.headManifest('team/app', '1.0', { signal });

    assert.deepEqual(names, ['team/app']);
    assert.equal(head?.digest, digest);
  });

  it('does not ask for the right to delete, which nobody gets', async () => {
    await using quay = await startQuay({ credential: TOKEN });
    const { manifest } = quay.upstream.addImage('team/app', '1.0', []);
    quay.upstream.requireToken();
    quay.upstream.behave({ method: 'DELETE' }, { status: 202, body: '' });

    await quay.peer.headManifest('team/app', '1.0', { signal });
    await quay.peer.deleteManifest('team/app', manifest.digest, { signal });

    const scopes = quay.upstream
      .seen({ path: /^\/token/ })
      .map(({ path }) => new URL(path, quay.upstream.url).searchParams.get('scope'));
    assert.deepEqual(scopes.at(-1), 'repository:team/app:pull,push');
  });

  it('makes the organisation that a push needs, and a repository only where all shall see it', async () => {
    await using quay = await startQuay({ credential: TOKEN });

    await quay.peer.preparePush?.('team/app', { signal });
    await quay.peer.preparePush?.('me/app', { signal });
    assert.deepEqual(quay.made, []);

    for (let i = 0; i < 2; i++) {
      await quay.peer.preparePush?.('fresh/app', { signal, isPublic: true });
    }
    const [organization, repository, ...more] = quay.made;
    assert.deepEqual(organization, {
      path: 'organization/',
      name: 'fresh',
      email: 'fresh@quay.invalid',
    });
    assert.deepEqual(repository, {
      path: 'repository',
      namespace: 'fresh',
      repository: 'app',
      repo_kind: 'image',
      description: '',
      visibility: 'public',
    });
    assert.deepEqual(more, []);
  });

  it('makes nothing without a token', async () => {
    await using quay = await startQuay({});

    await quay.peer.preparePush?.('fresh/app', { signal, isPublic: true });

    assert.equal(quay.upstream.requests.length, 0);
  });
});
