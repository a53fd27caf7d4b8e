import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EndpointConfig } from '../../adapters/index.ts';
import { connectPeer } from '../support/registry-peer.ts';
import { type ApiQuestion, json, startUpstream, type Upstream } from '../support/upstream.ts';
import { conformsToPeer } from './conformance.ts';
import { conformsToPlainRegistry } from './conformance-plain.ts';
import { vendorOf } from './vendor.ts';

const signal = AbortSignal.timeout(120_000);
const ME = { username: 'me', password: 'glpat-x' };
const PAGE_SIZE = 2;

/**
 * A registry, and a GitLab that gives its tokens and lists it (https://docs.gitlab.com/api/container_registry/, 18): `team` is a
 * group, `me` a user; a project is the first two parts of a name.
 */
async function startGitLab(groups: readonly string[] = []) {
  const stack = new AsyncDisposableStack();
  const upstream = stack.use(await startUpstream());
  const gitlab = stack.use(await startUpstream());
  gitlab.serveApi(/^\/api\/v4\//, (question) => answerOf(upstream, question));
  const options = { apiUrl: gitlab.url.href, groups };
  const asked = { adapter: 'gitlab', url: upstream.url, credential: ME, options };
  return {
    upstream,
    gitlab,
    peer: stack.use(connectPeer(asked)).peer,
    hold: (name: string) => upstream.addImage(name, '1.0', []).manifest.digest,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

function answerOf(upstream: Upstream, { url, headers }: ApiQuestion) {
  if (headers.authorization !== `Bearer ${ME.password}`) return json({ message: '401' }, 401);
  const names = [...upstream.held.keys()];
  const projects = [...new Set(names.map((name) => name.split('/').slice(0, 2).join('/')))];
  const path = url.pathname.slice('/api/v4/'.length);
  const registriesIn = (place: string) =>
    page(
      url,
      names
        .filter((name) => name === place || name.startsWith(`${place}/`))
        .map((at) => ({ path: at })),
    );
  if (path === 'groups/team/registry/repositories') return registriesIn('team');
  const project = /^projects\/(\d+)\/registry\/repositories$/.exec(path)?.[1];
  if (project !== undefined) return registriesIn(projects[Number(project)] ?? '');
  const owner = path === 'projects' ? '' : /^users\/([^/]+)\/projects$/.exec(path)?.[1];
  if (owner === undefined || owner === 'team' || owner === 'nobody') return undefined;
  return page(
    url,
    projects.flatMap((name, id) =>
      name.startsWith(owner)
        ? [{ id, container_registry_access_level: name.includes('off') ? 'disabled' : 'enabled' }]
        : [],
    ),
  );
}

function page(url: URL, all: readonly object[]) {
  const number = Number(url.searchParams.get('page') ?? 1);
  const end = number * PAGE_SIZE;
  const next = new URL(url);
  next.searchParams.set('page', String(number + 1));
  const link = `<${next.href}>; rel="next"`;
  return json(all.slice(end - PAGE_SIZE, end), 200, end < all.length ? { link } : {});
}

describe('the GitLab adapter', () => {
  conformsToPeer(vendorOf('gitlab'));
  conformsToPlainRegistry(vendorOf('gitlab'));

  const all = ['team/app', 'team/app/deep/er', 'team/base', 'me/app', 'me/tool/x', 'me/off/y'];
  const lists: readonly {
    name: string;
    groups?: readonly string[];
    prefix?: string;
    is: string[];
  }[] = [
    { name: 'projects that we are a member of', is: all.slice(0, 5) },
    { name: 'groups that it is told', groups: ['team'], is: all.slice(0, 3) },
    { name: 'a group that the prefix names', prefix: 'team/ap', is: all.slice(0, 2) },
    { name: 'a user that the prefix names', prefix: 'me/', is: all.slice(3, 5) },
    { name: 'nobody', prefix: 'nobody/', is: [] },
  ];
  for (const { name, groups, prefix, is } of lists) {
    it(`lists repositories of ${name}, over all pages`, async () => {
      await using world = await startGitLab(groups);
      for (const repository of all) world.hold(repository);

      const listing = world.peer.repositories?.({ signal, ...(prefix && { prefix }) });
      const names = await Array.fromAsync(listing ?? []);

      assert.deepEqual(names.toSorted(), is.toSorted());
    });
  }

  it('takes tokens from GitLab, whose host is not the registry’s', async () => {
    await using world = await startGitLab();
    const digest = world.hold('team/app');
    const realm = world.gitlab.tokens.url.href.replace('127.0.0.1', 'localhost');
    world.upstream.requireToken({ issuer: world.gitlab.tokens, realm });
    const options = { apiUrl: realm };
    const asked = { adapter: 'gitlab', url: world.upstream.url, credential: ME, options };
    using connected = connectPeer(asked);

    const head = await connected.peer.headManifest('team/app', '1.0', { signal });

    assert.equal(head?.digest, digest);
  });

  it('is gitlab.com where no other URL is given', () => {
    const { url } = EndpointConfig.parse({ adapter: 'gitlab' });

    assert.equal(url.href, 'https://registry.gitlab.com/');
  });
});
