/**
 * GitHub's API as far as it is about packages (https://docs.github.com/rest/packages/packages?apiVersion=2022-11-28): packages
 * of an owner and versions of a package, in pages with `Link`, and the deletion of a version. `team` is an organisation,
 * every other owner a user.
 */
import { type ApiQuestion, json, startUpstream, type Upstream } from '../../support/upstream.ts';

const PAGE_SIZE = 2;

/** About what `registry` holds, for whoever brings the token. */
export async function startGitHubApi(registry: Upstream, token: string): Promise<Upstream> {
  const server = await startUpstream();
  server.serveApi(/^\//, (question) => {
    if (question.headers.authorization !== `Bearer ${token}`) {
      return json({ message: 'Bad credentials' }, 401);
    }
    const { pathname } = question.url;
    const owner = /^\/(orgs|users)\/([^/]+)$/.exec(pathname);
    if (owner !== null) return ownerOf(registry, owner[1] ?? '', owner[2] ?? '');
    if (pathname === '/user/packages') return packages(registry, 'me', question);
    const [, kind, login = '', rest = ''] =
      /^\/(orgs|users)\/([^/]+)\/packages(?:\/container\/(.+))?$/.exec(pathname) ?? [];
    if (kind === undefined) return undefined;
    return rest === ''
      ? packages(registry, login, question)
      : versions(registry, `${login}/${rest}`, question);
  });
  return server;
}

function ownerOf(registry: Upstream, kind: string, login: string) {
  const isThere = [...registry.held.keys()].some((name) => name.startsWith(`${login}/`));
  const isKind = (login === 'team') === (kind === 'orgs');
  return isThere && isKind ? json({ login }) : json({ message: 'Not Found' }, 404);
}

function packages(registry: Upstream, login: string, question: ApiQuestion) {
  if (question.url.searchParams.get('package_type') !== 'container') return json([], 422);
  const names = [...registry.held.keys()].filter((name) => name.startsWith(`${login}/`));
  return page(
    question,
    names.map((name) => ({
      name: name.slice(login.length + 1),
      package_type: 'container',
      // As people write it.
      owner: { login: login.toUpperCase() },
    })),
  );
}

function versions(registry: Upstream, path: string, question: ApiQuestion) {
  const [, name = '', id] = /^(.+)\/versions(?:\/(\d+))?$/.exec(path) ?? [];
  const repository = decodeURIComponent(name);
  const tags = registry.held.get(repository);
  if (tags === undefined) return json({ message: 'Package not found.' }, 404);
  const all = [...Map.groupBy(tags, ([, digest]) => digest)].map(([digest, of], index) => ({
    id: index + 1,
    name: digest,
    updated_at: '2026-07-01T10:00:00Z',
    metadata: { package_type: 'container', container: { tags: of.map(([tag]) => tag) } },
  }));
  if (question.method !== 'DELETE') return page(question, all);
  const version = all.find((each) => String(each.id) === id);
  if (version === undefined) return json({ message: 'Not Found' }, 404);
  registry.remove(repository, version.name);
  return json(undefined, 204);
}

function page({ url }: ApiQuestion, all: readonly object[]) {
  const number = Number(url.searchParams.get('page'));
  const end = number * PAGE_SIZE;
  const next = new URL(url);
  next.searchParams.set('page', String(number + 1));
  const link = `<${next.href}>; rel="next", <${url.href}>; rel="last"`;
  return json(all.slice(end - PAGE_SIZE, end), 200, end < all.length ? { link } : {});
}
