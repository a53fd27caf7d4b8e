/**
 * Quay, at quay.io or one's own. The protocol is plain, deletes of tags and referrers included, and
 *
 * - one logs in with a user or a robot (`namespace+name`), or as `$oauthtoken` with a token of an application, which is good
 *   for Quay's own API, too; Harbor keeps both in one piece of JSON, under the user name `json_file`;
 * - its token service gives nothing to who asks to `delete`: whoever may push may;
 * - its API lists repositories of a namespace, and tags with what they point to; without a token, what is public;
 * - with a token, the API makes organisations, and repositories that everybody may see.
 *
 * Sources: https://docs.quay.io/api/swagger/ (v1), docs/wire-notes.md 9, harbor v2.15.2 src/pkg/reg/adapter/quay.
 */
import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import { isDigest } from '../src/oci/digest.ts';
import { OciError } from '../src/oci/error.ts';
import { isNameComponent, isRepositoryName, isTag } from '../src/oci/reference.ts';
import { defineAdapter } from '../src/registry/adapter.ts';
import { distributionPeer } from '../src/registry/distribution-peer.ts';
import type { Credential, Endpoint } from '../src/registry/endpoint.ts';
import { repositoriesOf } from '../src/registry/namespaces.ts';
import type { CallOptions, TagFacts } from '../src/registry/peer.ts';
import type { RegistryClient } from '../src/registry/registry-client.ts';
import { constant } from '../src/registry/renewable.ts';
import { PLAIN } from '../src/registry/vendor.ts';
import { type ApiAnswer, part, VendorApi } from '../src/registry/vendor-api.ts';

/** The most that its API gives. */
const PAGE_SIZE = 100;
const PREPARED_MS = 5 * 60_000;

const Repositories = z.object({
  repositories: z.array(z.object({ namespace: z.string(), name: z.string() })).nullish(),
  next_page: z.string().nullish(),
});
const Tags = z.object({
  tags: z.array(
    z.object({
      name: z.string(),
      manifest_digest: z.string().nullish(),
      start_ts: z.number().nullish(),
    }),
  ),
  page: z.number(),
  has_additional: z.boolean().nullish(),
});
const User = z.object({
  username: z.string(),
  organizations: z.array(z.object({ name: z.string() })).nullish(),
});
/** As Harbor's users give it. */
const HarborSecret = z.object({
  oauth2_token: z.string().nullish(),
  account_name: z.string().nullish(),
  docker_cli_password: z.string().nullish(),
});

const Options = z.strictObject({
  namespaces: z
    .array(z.string().refine(isNameComponent, 'a namespace'))
    .default([])
    .meta({
      description: 'Whose repositories are listed. Without any, those that a token’s user is in.',
      examples: [['my-organisation']],
    }),
  createOrganizations: z.boolean().default(true).meta({
    description:
      'Whether an organisation that a push needs is made where it is missing; takes a token.',
  }),
});
type Options = z.infer<typeof Options>;

export const quay = defineAdapter({
  name: 'quay',
  title: 'Quay',
  description:
    'quay.io, or a Quay of one’s own. With an application’s token, lists what its user is in and makes organisations; without, lists what is public in the namespaces it is told.',
  places: [{ name: 'quay.io', url: 'https://quay.io' }],
  credential: {
    description:
      'A user or a robot and its password; `$oauthtoken` and an application’s token; or Harbor’s `json_file` and JSON of both.',
  },
  capabilities: { ...PLAIN, listTagDigests: true, prepare: true },
  nameParts: { least: 2 },
  options: Options.prefault({}).meta({ description: 'Of Quay.' }),

  connect(endpoint, client) {
    const { credential, token } = credentialsIn(endpoint.credential);
    const api = new QuayApi(endpoint, token, client);
    const access = { ...endpoint, credential, deleting: 'pull,push' };
    return {
      ...distributionPeer(access, client),
      repositories: (options) => api.repositories(options),
      tagDigests: (repository, options) => api.tagDigests(repository, options),
      preparePush: (repository, options) => api.prepare(repository, options),
    };
  },
});

class QuayApi {
  readonly #api: VendorApi;
  readonly #isKnown: boolean;
  readonly #options: Options;
  readonly #prepared = new LRUCache<string, true>({ max: 10_000, ttl: PREPARED_MS });

  constructor(
    { credential: _registry, options, ...access }: Endpoint<Options>,
    token: string | undefined,
    client: RegistryClient,
  ) {
    const authorization = token === undefined ? undefined : constant(`Bearer ${token}`);
    this.#api = new VendorApi(client, {
      ...access,
      url: new URL('api/v1/', access.url),
      authorization,
    });
    this.#isKnown = token !== undefined;
    this.#options = options;
  }

  repositories({
    prefix = '',
    ...options
  }: CallOptions & { readonly prefix?: string }): AsyncGenerator<string> {
    const registry = {
      namespaces: () => this.#namespaces(options),
      pages: (namespace: string) => this.#pagesOf(namespace, options),
      names: (page: ApiAnswer) =>
        (page.body(Repositories).repositories ?? []).map(({ name }) => name),
    };
    return repositoriesOf(registry, prefix);
  }

  async *tagDigests(repository: string, options: CallOptions): AsyncGenerator<TagFacts> {
    const { namespace, name } = splitName(repository);
    const path = `repository/${part(namespace)}/${part(name)}/tag/`;
    const query = { limit: PAGE_SIZE, page: 1, onlyActiveTags: 'true' };
    const pages = this.#api.follow({ ...options, path, query }, (answer) => {
      const { page, has_additional } = answer.body(Tags);
      return has_additional === true ? { ...query, page: page + 1 } : undefined;
    });
    for await (const page of pages) {
      if (page.status !== 200) throw page.refusal('NAME_UNKNOWN');
      for (const tag of page.body(Tags).tags) {
        const digest = tag.manifest_digest ?? '';
        if (!isTag(tag.name) || !isDigest(digest)) continue;
        yield { name: tag.name, digest, pushedAt: tag.start_ts ? tag.start_ts * 1000 : undefined };
      }
    }
  }

  /** The organisation, and a repository that everybody shall see: by itself, a push makes a private one. */
  async prepare(
    repository: string,
    { isPublic = false, ...options }: CallOptions & { readonly isPublic?: boolean },
  ): Promise<void> {
    const { namespace, name } = splitName(repository);
    if (!this.#isKnown || !this.#options.createOrganizations) return;
    if (!this.#prepared.has(namespace)) await this.#prepareNamespace(namespace, options);
    this.#prepared.set(namespace, true);
    if (!isPublic || this.#prepared.has(repository)) return;
    const path = `repository/${part(namespace)}/${part(name)}`;
    const found = await this.#api.ask({ ...options, path });
    if (found.status === 404) {
      const what = { namespace, repository: name, repo_kind: 'image', description: '' };
      await this.#make('repository', { ...what, visibility: 'public' }, options);
    }
    this.#prepared.set(repository, true);
  }

  async #prepareNamespace(namespace: string, options: CallOptions): Promise<void> {
    for (const kind of ['organization', 'users']) {
      const path = `${kind}/${part(namespace)}`;
      if ((await this.#api.ask({ ...options, path })).status === 200) return;
    }
    const email = `${namespace}@quay.invalid`;
    await this.#make('organization/', { name: namespace, email }, options);
  }

  async #make(path: string, json: object, options: CallOptions): Promise<void> {
    const answer = await this.#api.ask({ ...options, method: 'POST', path, json });
    // 409: somebody else made it, which is what was wanted.
    if (answer.status !== 201 && answer.status !== 200 && answer.status !== 409) {
      throw answer.refusal('NAME_UNKNOWN');
    }
  }

  #pagesOf(namespace: string, options: CallOptions): AsyncGenerator<ApiAnswer> {
    const query = { namespace, ...(this.#isKnown ? {} : { public: 'true' }) };
    return this.#api.follow({ ...options, path: 'repository', query }, (answer) => {
      const next = answer.body(Repositories).next_page;
      return next ? { ...query, next_page: next } : undefined;
    });
  }

  /** @throws OciError UNSUPPORTED */
  async #namespaces(options: CallOptions): Promise<readonly string[]> {
    if (this.#options.namespaces.length > 0) return this.#options.namespaces;
    if (!this.#isKnown) {
      const message = 'Quay lists a namespace: name some in options.namespaces, or use a token';
      throw new OciError('UNSUPPORTED', { message });
    }
    const answer = await this.#api.ask({ ...options, path: 'user/' });
    if (answer.status !== 200) throw answer.refusal('UNSUPPORTED');
    const { username, organizations } = answer.body(User);
    return [username, ...(organizations ?? []).map(({ name }) => name)];
  }
}

/** Of the registry, and of the API. */
function credentialsIn(given: Credential | undefined): {
  readonly credential: Credential | undefined;
  readonly token: string | undefined;
} {
  if (given?.username === '$oauthtoken') return { credential: given, token: given.password };
  const secret = given?.username === 'json_file' ? secretIn(given.password) : undefined;
  if (secret === undefined) return { credential: given, token: undefined };
  const { oauth2_token, account_name, docker_cli_password } = secret;
  const isLogin = account_name && docker_cli_password;
  const credential = isLogin
    ? { username: account_name, password: docker_cli_password }
    : undefined;
  return { credential, token: oauth2_token || undefined };
}

function secretIn(text: string): z.infer<typeof HarborSecret> | undefined {
  try {
    return HarborSecret.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

/** @throws OciError NAME_INVALID */
function splitName(repository: string): { namespace: string; name: string } {
  const [namespace = '', ...rest] = repository.split('/');
  if (!isRepositoryName(repository) || rest.length === 0) {
    const message = `${repository} is in no namespace: Quay's names have two parts`;
    throw new OciError('NAME_INVALID', { message });
  }
  return { namespace, name: rest.join('/') };
}
