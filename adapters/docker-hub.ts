/**
 * Docker Hub. It speaks the plain protocol, and
 *
 * - is one place, whose registry, token service and name in image names are three hosts of `docker.io`;
 * - keeps official images, which people call by one word, under `library/`: names have two parts, no more and no fewer;
 * - takes a personal access token where others take a password, and only at its token service;
 * - counts manifest GETs, not HEADs, and tells the rest of the budget in `ratelimit-remaining`;
 * - has no catalogue, and lists namespaces, repositories and tags by an API at `hub.docker.com`, which wants a token of its
 *   own, good for some ten minutes, and counts logins: one is kept for all;
 * - deletes tags, by that API, and no manifests;
 * - makes a repository with the first push into it, where its namespace is there, for everybody to see or not as the
 *   namespace has it.
 *
 * Sources: https://docs.docker.com/docker-hub/usage/, https://github.com/docker/cli/issues/4977 (pushes), https://docs.docker.com/reference/api/hub/latest/ (2026-07),
 * docs/wire-notes.md 4; namespaces and the deletion of tags, which are not in that reference, as
 * https://github.com/goharbor/harbor/blob/v2.15.2/src/pkg/reg/adapter/dockerhub asks for them.
 */
import { z } from 'zod';
import { isDigest } from '../src/oci/digest.ts';
import { OciError } from '../src/oci/error.ts';
import { isRepositoryName, isTag } from '../src/oci/reference.ts';
import { defineAdapter } from '../src/registry/adapter.ts';
import { distributionPeer } from '../src/registry/distribution-peer.ts';
import type { Credential, Endpoint } from '../src/registry/endpoint.ts';
import { expiryOf } from '../src/registry/jwt.ts';
import { repositoriesOf } from '../src/registry/namespaces.ts';
import type { CallOptions, ManifestHead, TagFacts } from '../src/registry/peer.ts';
import type { RegistryClient } from '../src/registry/registry-client.ts';
import { type Dated, renewable } from '../src/registry/renewable.ts';
import { PLAIN } from '../src/registry/vendor.ts';
import { type ApiAnswer, part, VendorApi } from '../src/registry/vendor-api.ts';

const REGISTRY = 'https://registry-1.docker.io/';
/** By which Harbor and its users call it. */
const WEBSITE = 'hub.docker.com';
/** The most that its API gives. */
const PAGE_SIZE = 100;
/** What its token is taken to be good for where it does not say. */
const TOKEN_MS = 5 * 60_000;

const Token = z.object({ access_token: z.string() });
const Namespaces = z.object({ namespaces: z.array(z.string()).nullish() });
const Repositories = z.object({
  next: z.string().nullish(),
  results: z.array(z.object({ name: z.string() })),
});
const Tags = z.object({
  next: z.string().nullish(),
  results: z.array(
    z.object({
      name: z.string(),
      digest: z.string().nullish(),
      tag_last_pushed: z.string().nullish(),
      last_updated: z.string().nullish(),
    }),
  ),
});

const Options = z.strictObject({
  apiUrl: z
    .url({ protocol: /^https?$/ })
    .default('https://hub.docker.com')
    .meta({ description: 'Where its own API is, which lists and deletes.' }),
});

export const dockerHub = defineAdapter({
  name: 'docker-hub',
  title: 'Docker Hub',
  description:
    'Docker Hub. It counts pulls: this node asks by HEAD first, which is free. Tags can be deleted, manifests cannot; names have exactly two parts. A push makes its repository, public or private as the namespace’s default says.',
  places: [{ name: 'Docker Hub', url: REGISTRY }],
  credential: { description: 'A user name, and a password or better a personal access token.' },
  capabilities: { ...PLAIN, deleteManifest: false, listTagDigests: true },
  nameParts: { least: 2, most: 2 },
  defaultUrl: REGISTRY,
  registryUrl: (url) => (url.host === WEBSITE ? new URL(REGISTRY) : url),
  options: Options.prefault({}).meta({ description: 'Of Docker Hub.' }),
  canonicalRepository,

  connect(endpoint, client) {
    const tokenHosts = ['auth.docker.io'];
    const plain = distributionPeer({ ...endpoint, tokenHosts, canonicalRepository }, client);
    const hub = new HubApi(endpoint, client);
    return {
      ...plain,
      canonicalRepository,
      repositories: (options) => hub.repositories(options),
      tagDigests: (repository, options) =>
        hub.tagDigests(repository, {
          ...options,
          head: (tag) => plain.headManifest(repository, tag, options),
        }),
      deleteTag: (repository, tag, options) => hub.deleteTag(repository, tag, options),
      async deleteManifest() {
        const message = 'Docker Hub deletes tags, and what no tag points to by itself';
        throw new OciError('UNSUPPORTED', { message });
      },
    };
  },
});

function canonicalRepository(name: string): string {
  return name.includes('/') ? name : `library/${name}`;
}

class HubApi {
  readonly #api: VendorApi;

  constructor(endpoint: Endpoint<z.infer<typeof Options>>, client: RegistryClient) {
    const { credential, options, ...access } = endpoint;
    const url = new URL(options.apiUrl);
    const unknown = new VendorApi(client, { ...access, url, authorization: undefined });
    const authorization =
      credential &&
      renewable((asking) => logIn(unknown, credential, { ...asking, now: client.now }), client.now);
    this.#api = new VendorApi(client, { ...access, url, authorization });
  }

  /** Of a namespace that the prefix names, or of all that we are in. */
  repositories({
    prefix = '',
    ...options
  }: CallOptions & { readonly prefix?: string }): AsyncGenerator<string> {
    const registry = {
      namespaces: () => this.#namespaces(options),
      pages: (namespace: string) =>
        this.#pages(`v2/namespaces/${part(namespace)}/repositories`, options),
      names: (page: ApiAnswer) => page.body(Repositories).results.map(({ name }) => name),
    };
    return repositoriesOf(registry, prefix);
  }

  async *tagDigests(
    repository: string,
    {
      head,
      ...options
    }: CallOptions & { readonly head: (tag: string) => Promise<ManifestHead | undefined> },
  ): AsyncGenerator<TagFacts> {
    const { namespace, name } = splitName(repository);
    const path = `v2/namespaces/${part(namespace)}/repositories/${part(name)}/tags`;
    for await (const page of this.#pages(path, options)) {
      if (page.status !== 200) throw page.refusal('NAME_UNKNOWN');
      for (const tag of page.body(Tags).results) {
        if (!isTag(tag.name)) continue;
        // Tags from before 2021 have none there.
        const digest = tag.digest ?? (await head(tag.name))?.digest ?? '';
        const pushedAt = Date.parse(tag.tag_last_pushed ?? tag.last_updated ?? '');
        if (!isDigest(digest)) continue;
        yield { name: tag.name, digest, pushedAt: Number.isNaN(pushedAt) ? undefined : pushedAt };
      }
    }
  }

  async deleteTag(repository: string, tag: string, options: CallOptions): Promise<void> {
    if (!isTag(tag)) throw new OciError('TAG_INVALID', { detail: tag });
    const { namespace, name } = splitName(repository);
    const path = `v2/repositories/${part(namespace)}/${part(name)}/tags/${tag}/`;
    const answer = await this.#api.ask({ ...options, method: 'DELETE', path });
    if (answer.status !== 204 && answer.status !== 200) throw answer.refusal('MANIFEST_UNKNOWN');
  }

  async #namespaces(options: CallOptions): Promise<readonly string[]> {
    const answer = await this.#api.ask({ ...options, path: 'v2/repositories/namespaces' });
    if (answer.status !== 200) throw answer.refusal('UNSUPPORTED');
    return answer.body(Namespaces).namespaces ?? [];
  }

  #pages(path: string, options: CallOptions) {
    const first = { ...options, path, query: { page: 1, page_size: PAGE_SIZE } };
    const Page = z.object({ next: z.string().nullish() });
    return this.#api.follow(first, (answer, { query }) =>
      answer.body(Page).next ? { ...query, page: Number(query?.['page']) + 1 } : undefined,
    );
  }
}

async function logIn(
  api: VendorApi,
  { username, password }: Credential,
  { now, ...options }: CallOptions & { readonly now: () => number },
): Promise<Dated<string>> {
  const json = { identifier: username, secret: password };
  const answer = await api.ask({ ...options, method: 'POST', path: 'v2/auth/token', json });
  if (answer.status !== 200) throw answer.refusal('UNSUPPORTED');
  const { access_token: token } = answer.body(Token);
  return { secret: `Bearer ${token}`, expiresAt: expiryOf(token) ?? now() + TOKEN_MS };
}

/** @throws OciError NAME_INVALID */
function splitName(repository: string): { namespace: string; name: string } {
  const canonical = canonicalRepository(repository);
  const [namespace = '', name = '', ...more] = canonical.split('/');
  if (!isRepositoryName(canonical) || more.length > 0) {
    const message = `${repository} is no name of Docker Hub, which have two parts`;
    throw new OciError('NAME_INVALID', { message });
  }
  return { namespace, name };
}
