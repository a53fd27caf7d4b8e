/**
 * Docker Hub's own API as its reference describes it (https://docs.docker.com/reference/api/hub/latest/, 2026-07): `POST
 * /v2/auth/token`, repositories and tags of a namespace in pages with `next`; and, which is not in it, `GET
 * /v2/repositories/namespaces` and `DELETE …/tags/{tag}/`, as Harbor 2.15 asks for them.
 */
import { type ApiQuestion, json, startUpstream, type Upstream } from '../../support/upstream.ts';

export interface HubApi extends AsyncDisposable {
  readonly url: URL;
  readonly server: Upstream;
  /** Logins so far. */
  readonly logins: number;
  /** No token is good any more. */
  expireAll(): void;
}

const PAGE_SIZE = 2;
const ME = { identifier: 'me', secret: 'dckr_pat_x' };

/** About what `registry` holds. */
export async function startHubApi(registry: Upstream): Promise<HubApi> {
  const server = await startUpstream();
  const tokens = new Set<string>();
  let logins = 0;
  server.serveApi(/^\/v2\//, (question) => {
    const { method, url, headers, body } = question;
    if (url.pathname === '/v2/auth/token') {
      if (body.toString() !== JSON.stringify(ME)) return json({ detail: 'no such account' }, 401);
      logins += 1;
      const token = tokenOf(logins);
      tokens.add(token);
      return json({ access_token: token });
    }
    const token = headers.authorization?.replace('Bearer ', '');
    if (token !== undefined && !tokens.has(token)) return json({ detail: 'expired' }, 401);
    if (method === 'DELETE') return deleteTag(registry, url);
    return list(registry, question, token !== undefined);
  });
  return {
    url: server.url,
    server,
    get logins() {
      return logins;
    },
    expireAll: () => tokens.clear(),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

function list(registry: Upstream, { url }: ApiQuestion, isKnown: boolean) {
  const names = [...registry.held.keys()];
  if (url.pathname === '/v2/repositories/namespaces') {
    if (!isKnown) return json({ detail: 'log in' }, 401);
    return json({ namespaces: [...new Set(names.map((name) => name.split('/')[0]))] });
  }
  const [, namespace, repository] =
    /^\/v2\/namespaces\/([^/]+)\/repositories(?:\/([^/]+)\/tags)?$/.exec(url.pathname) ?? [];
  if (namespace === undefined) return undefined;
  if (repository === undefined) {
    const own = names.filter((name) => name.startsWith(`${namespace}/`));
    if (own.length === 0) return json({ message: 'object not found' }, 404);
    return page(
      url,
      own.map((name) => ({ namespace, name: name.split('/')[1] })),
    );
  }
  const tags = registry.held.get(`${namespace}/${repository}`);
  if (tags === undefined) return json({ message: 'object not found' }, 404);
  return page(
    url,
    [...tags].map(([name, digest]) => ({
      name,
      // Not said of tags that were pushed long ago.
      ...(name.startsWith('ancient') ? {} : { digest }),
      tag_last_pushed: '2026-07-01T10:00:00.000000Z',
      images: [],
    })),
  );
}

function page(url: URL, all: readonly object[]) {
  const number = Number(url.searchParams.get('page'));
  const end = number * PAGE_SIZE;
  const next = end < all.length ? `${url.origin}${url.pathname}?page=${number + 1}` : null;
  return json({ count: all.length, next, results: all.slice(end - PAGE_SIZE, end) });
}

function deleteTag(registry: Upstream, { pathname }: URL) {
  const [, repository = '', tag = ''] =
    /^\/v2\/repositories\/([^/]+\/[^/]+)\/tags\/([^/]+)\/$/.exec(pathname) ?? [];
  if (registry.tagged(repository, tag) === undefined) return json({ message: 'not found' }, 404);
  registry.remove(repository, tag);
  return json(undefined, 204);
}

/** A JWT that ends in ten minutes, signed by nobody. */
function tokenOf(number: number): string {
  const exp = Math.floor(Date.now() / 1000) + 600;
  const parts = [{ alg: 'none' }, { exp, jti: number }].map((part) =>
    Buffer.from(JSON.stringify(part)).toString('base64url'),
  );
  return `${parts.join('.')}.x`;
}
