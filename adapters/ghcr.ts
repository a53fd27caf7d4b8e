/**
 * GitHub's container registry. The protocol is plain, and
 *
 * - one logs in with a personal access token, whatever the user name; everybody needs a token, nobody included;
 * - a chunk of an upload has at most 4 MiB;
 * - there is no catalogue and no deletion: GitHub's own API lists an owner's packages and their versions, which are
 *   manifests with their tags, and deletes versions; nothing takes a tag away and leaves its manifest;
 * - an owner is an organisation or a user, which that API wants to be told, and names of packages may have slashes;
 * - `/v2/` challenges with a placeholder for a scope, and there is no referrers API.
 *
 * Sources: https://docs.github.com/rest/packages/packages?apiVersion=2022-11-28,
 * https://docs.github.com/packages/working-with-a-github-packages-registry/working-with-the-container-registry,
 * docs/wire-notes.md 2 and 9.
 */
import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import { type Digest, isDigest } from '../src/oci/digest.ts';
import { OciError } from '../src/oci/error.ts';
import { isRepositoryName, isTag } from '../src/oci/reference.ts';
import { defineAdapter } from '../src/registry/adapter.ts';
import { distributionPeer } from '../src/registry/distribution-peer.ts';
import type { Endpoint } from '../src/registry/endpoint.ts';
import type { CallOptions, TagFacts } from '../src/registry/peer.ts';
import type { RegistryClient } from '../src/registry/registry-client.ts';
import { constant } from '../src/registry/renewable.ts';
import { PLAIN } from '../src/registry/vendor.ts';
import { type ApiAnswer, part, VendorApi } from '../src/registry/vendor-api.ts';

const REGISTRY = 'https://ghcr.io/';
/** The most that its API gives. */
const PAGE_SIZE = 100;
const MOST_CHUNK_BYTES = 4 * 2 ** 20;
const HEADERS = {
  accept: 'application/vnd.github+json',
  'x-github-api-version': '2022-11-28',
};

const Packages = z.array(z.object({ name: z.string(), owner: z.object({ login: z.string() }) }));
const Versions = z.array(
  z.object({
    id: z.number(),
    /** The manifest's digest. */
    name: z.string(),
    updated_at: z.string().optional(),
    metadata: z
      .object({ container: z.object({ tags: z.array(z.string()).nullish() }).nullish() })
      .nullish(),
  }),
);
type Version = z.infer<typeof Versions>[number];

const Options = z.strictObject({
  owners: z
    .array(z.string().regex(/^[A-Za-z0-9-]+$/, 'an organisation or a user'))
    .default([])
    .meta({
      description: 'Whose packages are listed. Without any, those of the credential’s user.',
      examples: [['my-organisation']],
    }),
  apiUrl: z
    .url({ protocol: /^https?$/ })
    .default('https://api.github.com')
    .meta({ description: 'Where GitHub’s own API is, which lists and deletes.' }),
});

export const ghcr = defineAdapter({
  name: 'ghcr',
  title: 'GitHub Container Registry',
  description:
    'ghcr.io. Lists the packages of owners by GitHub’s API; deletes manifests with their tags, but no tag alone.',
  harborType: 'github-ghcr',
  places: [{ name: 'ghcr.io', url: REGISTRY }],
  credential: {
    description:
      'A user name, and a personal access token (classic) with read:packages; write:packages to push, delete:packages to delete.',
  },
  capabilities: { ...PLAIN, deleteTag: false, listTagDigests: true },
  nameParts: { least: 2 },
  defaultUrl: REGISTRY,
  options: Options.prefault({}).meta({ description: 'Of GitHub.' }),

  connect(endpoint, client) {
    const uploads = { chunks: true, mostChunkBytes: MOST_CHUNK_BYTES };
    const packages = new GitHubPackages(endpoint, client);
    return {
      ...distributionPeer({ ...endpoint, uploads }, client),
      repositories: (options) => packages.repositories(options),
      tagDigests: (repository, options) => packages.tagDigests(repository, options),
      deleteManifest: (repository, digest, options) => packages.remove(repository, digest, options),
      async deleteTag() {
        const message = 'GitHub deletes a version of a package with all its tags, and no tag alone';
        throw new OciError('UNSUPPORTED', { message });
      },
    };
  },
});

class GitHubPackages {
  readonly #api: VendorApi;
  readonly #isKnown: boolean;
  readonly #owners: readonly string[];
  /** What the API calls an owner: `orgs/x` or `users/x`. */
  readonly #kinds = new LRUCache<string, string>({ max: 10_000 });

  constructor(endpoint: Endpoint<z.infer<typeof Options>>, client: RegistryClient) {
    const { credential, options, ...access } = endpoint;
    const authorization = credential && constant(`Bearer ${credential.password}`);
    const url = new URL(options.apiUrl.replace(/\/?$/, '/'));
    this.#api = new VendorApi(client, { ...access, url, authorization });
    this.#isKnown = credential !== undefined;
    this.#owners = options.owners;
  }

  async *repositories({
    prefix = '',
    ...options
  }: CallOptions & { readonly prefix?: string }): AsyncGenerator<string> {
    this.#assertKnown();
    const [first = '', ...more] = prefix.split('/');
    const owners = more.length > 0 ? [first] : this.#owners;
    if (owners.length === 0) yield* this.#packages('user/packages', { prefix, ...options });
    for (const owner of owners) {
      if (more.length === 0 && !owner.toLowerCase().startsWith(prefix)) continue;
      const place = await this.#placeOf(owner, options);
      if (place !== undefined) yield* this.#packages(`${place}/packages`, { prefix, ...options });
    }
  }

  async *tagDigests(repository: string, options: CallOptions): AsyncGenerator<TagFacts> {
    for await (const { name: digest, metadata, updated_at } of this.#versions(
      repository,
      options,
    )) {
      if (!isDigest(digest)) continue;
      const at = Date.parse(updated_at ?? '');
      const pushedAt = Number.isNaN(at) ? undefined : at;
      for (const name of metadata?.container?.tags ?? []) {
        if (isTag(name)) yield { name, digest, pushedAt };
      }
    }
  }

  /** The version of that digest. */
  async remove(repository: string, digest: Digest, options: CallOptions): Promise<void> {
    for await (const { id, name } of this.#versions(repository, options)) {
      if (name !== digest) continue;
      const path = `${await this.#pathOf(repository, options)}/versions/${id}`;
      const answer = await this.#api.ask({ ...options, headers: HEADERS, method: 'DELETE', path });
      if (answer.status !== 204) throw answer.refusal('MANIFEST_UNKNOWN');
      return;
    }
    throw new OciError('MANIFEST_UNKNOWN', { detail: digest });
  }

  async *#packages(
    path: string,
    { prefix, ...options }: CallOptions & { readonly prefix: string },
  ): AsyncGenerator<string> {
    for await (const page of this.#pages(path, options, { package_type: 'container' })) {
      if (page.status !== 200) throw page.refusal('UNSUPPORTED');
      for (const { name, owner } of page.body(Packages)) {
        // An owner may be written in capitals, a repository may not.
        const repository = `${owner.login}/${name}`.toLowerCase();
        if (repository.startsWith(prefix) && isRepositoryName(repository)) yield repository;
      }
    }
  }

  async *#versions(repository: string, options: CallOptions): AsyncGenerator<Version> {
    const path = `${await this.#pathOf(repository, options)}/versions`;
    for await (const page of this.#pages(path, options)) {
      if (page.status !== 200) throw page.refusal('NAME_UNKNOWN');
      yield* page.body(Versions);
    }
  }

  /** @throws OciError NAME_UNKNOWN, NAME_INVALID */
  async #pathOf(repository: string, options: CallOptions): Promise<string> {
    this.#assertKnown();
    const [owner = '', ...rest] = repository.split('/');
    if (!isRepositoryName(repository) || rest.length === 0) {
      throw new OciError('NAME_INVALID', { detail: repository });
    }
    const place = await this.#placeOf(owner, options);
    if (place === undefined) throw new OciError('NAME_UNKNOWN', { detail: repository });
    return `${place}/packages/container/${part(rest.join('/'))}`;
  }

  async #placeOf(owner: string, options: CallOptions): Promise<string | undefined> {
    const known = this.#kinds.get(owner);
    if (known !== undefined) return known;
    for (const place of [`orgs/${part(owner)}`, `users/${part(owner)}`]) {
      const { status } = await this.#api.ask({ ...options, headers: HEADERS, path: place });
      if (status !== 200) continue;
      this.#kinds.set(owner, place);
      return place;
    }
    return undefined;
  }

  #pages(
    path: string,
    options: CallOptions,
    query: Readonly<Record<string, string>> = {},
  ): AsyncGenerator<ApiAnswer> {
    const paged = { ...query, per_page: PAGE_SIZE, page: 1 };
    return this.#api.pages({ ...options, headers: HEADERS, path, query: paged });
  }

  /** @throws OciError UNSUPPORTED */
  #assertKnown(): void {
    if (this.#isKnown) return;
    const message = 'GitHub tells nobody which packages there are: it needs a token';
    throw new OciError('UNSUPPORTED', { message });
  }
}
