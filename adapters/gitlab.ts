/**
 * GitLab's container registry, at gitlab.com or one's own. The protocol is plain, deletes of tags included, and
 *
 * - tokens come from GitLab itself, which is another host than the registry's;
 * - one logs in with a user name and a personal, project or group access token, or a deploy token, which is no good for the API;
 * - there is no catalogue: GitLab's API lists the registries of a group, or of a project, names and not digests;
 * - repositories are a project's name, or below it, and projects are there before a push;
 * - a tag of the form `sha256-…` answers with the manifest of that digest (docs/wire-notes.md 5), and media types that its
 *   database does not know are refused in its own words.
 *
 * Sources: https://docs.gitlab.com/api/container_registry/, https://docs.gitlab.com/api/projects/ (18),
 * harbor v2.15.2 src/pkg/reg/adapter/gitlab.
 */
import { z } from 'zod';
import { isRepositoryName } from '../src/oci/reference.ts';
import { defineAdapter } from '../src/registry/adapter.ts';
import { distributionPeer } from '../src/registry/distribution-peer.ts';
import type { Endpoint } from '../src/registry/endpoint.ts';
import type { CallOptions } from '../src/registry/peer.ts';
import type { RegistryClient } from '../src/registry/registry-client.ts';
import { constant } from '../src/registry/renewable.ts';
import { PLAIN } from '../src/registry/vendor.ts';
import { part, VendorApi } from '../src/registry/vendor-api.ts';

const REGISTRY = 'https://registry.gitlab.com/';
/** The most that its API gives. */
const PAGE_SIZE = 100;

const Registries = z.array(z.object({ path: z.string() }));
const Projects = z.array(
  z.object({ id: z.number(), container_registry_access_level: z.string().nullish() }),
);

const Options = z.strictObject({
  groups: z
    .array(z.string().min(1))
    .default([])
    .meta({
      description:
        'Whose repositories are listed. Without any, those of the projects that the credential is a member of.',
      examples: [['my-group']],
    }),
  apiUrl: z
    .url({ protocol: /^https?$/ })
    .optional()
    .meta({
      description:
        'Where GitLab itself is, where that is not the registry’s host without `registry.`.',
      examples: ['https://gitlab.example'],
    }),
});
type Options = z.infer<typeof Options>;

export const gitlab = defineAdapter({
  name: 'gitlab',
  title: 'GitLab Container Registry',
  description:
    'registry.gitlab.com, or the registry of a GitLab of one’s own. Lists groups and projects by GitLab’s API; projects have to be there before a push.',
  places: [{ name: 'gitlab.com', url: REGISTRY }],
  credential: {
    description:
      'A user name and an access token with read_registry and read_api; write_registry to push.',
  },
  capabilities: PLAIN,
  nameParts: { least: 2 },
  defaultUrl: REGISTRY,
  options: Options.prefault({}).meta({ description: 'Of GitLab.' }),

  connect(endpoint, client) {
    const url = apiUrlOf(endpoint);
    const api = new GitLabApi(endpoint, url, client);
    return {
      ...distributionPeer({ ...endpoint, tokenHosts: [url.hostname] }, client),
      repositories: (options) => api.repositories(options),
    };
  },
});

class GitLabApi {
  readonly #api: VendorApi;
  readonly #groups: readonly string[];

  constructor(
    { credential, options, ...access }: Endpoint<Options>,
    url: URL,
    client: RegistryClient,
  ) {
    const authorization = credential && constant(`Bearer ${credential.password}`);
    this.#api = new VendorApi(client, { ...access, url: new URL('api/v4/', url), authorization });
    this.#groups = options.groups;
  }

  async *repositories({
    prefix = '',
    ...options
  }: CallOptions & { readonly prefix?: string }): AsyncGenerator<string> {
    const [first = '', ...more] = prefix.split('/');
    const groups = more.length > 0 ? [first] : this.#groups;
    const listed =
      groups.length > 0 ? this.#ofGroups(groups, options) : this.#ofProjects('projects', options);
    for await (const path of listed) {
      if (path.startsWith(prefix) && isRepositoryName(path)) yield path;
    }
  }

  async *#ofGroups(groups: readonly string[], options: CallOptions): AsyncGenerator<string> {
    for (const group of groups) {
      // With all groups below, in one list.
      const path = `groups/${part(group)}/registry/repositories`;
      const isGroup = yield* this.#registries(path, options);
      // A user's own projects are in no group.
      if (!isGroup) yield* this.#ofProjects(`users/${part(group)}/projects`, options);
    }
  }

  async *#ofProjects(path: string, options: CallOptions): AsyncGenerator<string> {
    const mine = path === 'projects' ? { membership: 'true' } : {};
    const query = { ...mine, per_page: PAGE_SIZE, order_by: 'id' };
    for await (const page of this.#api.pages({ ...options, path, query })) {
      if (page.status === 404) return;
      if (page.status !== 200) throw page.refusal('UNSUPPORTED');
      for (const { id, container_registry_access_level } of page.body(Projects)) {
        if (container_registry_access_level === 'disabled') continue;
        yield* this.#registries(`projects/${id}/registry/repositories`, options);
      }
    }
  }

  /** Returns whether there is such a group or project that we may see. */
  async *#registries(path: string, options: CallOptions): AsyncGenerator<string, boolean> {
    const query = { per_page: PAGE_SIZE };
    for await (const page of this.#api.pages({ ...options, path, query })) {
      if (page.status === 404) return false;
      if (page.status !== 200) throw page.refusal('UNSUPPORTED');
      for (const registry of page.body(Registries)) yield registry.path;
    }
    return true;
  }
}

function apiUrlOf({ url, options }: Endpoint<Options>): URL {
  if (options.apiUrl !== undefined) return new URL(options.apiUrl.replace(/\/?$/, '/'));
  return new URL(`${url.protocol}//${url.hostname.replace(/^registry\./, '')}/`);
}
