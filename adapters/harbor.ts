/**
 * Harbor, and this node's own kind, which speaks its API. It speaks the plain protocol, and
 *
 * - keeps repositories in projects, which are there before a push: names have two parts at least;
 * - lists by its own API (`_catalog` is for its administrators), tags with what they point to and their labels;
 * - takes a tag away without its manifest there, and says in which repository it has a blob;
 * - takes the registry's credential there too, a robot's included, without asking for it;
 * - wants the slashes of a repository's name encoded twice.
 *
 * Sources: https://github.com/goharbor/harbor/blob/v2.15.2/api/v2.0/swagger.yaml and src/pkg/reg/adapter/harbor of the same.
 */
import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import { type Digest, isDigest } from '../src/oci/digest.ts';
import { OciError } from '../src/oci/error.ts';
import { isRepositoryName, isTag } from '../src/oci/reference.ts';
import { defineAdapter } from '../src/registry/adapter.ts';
import { basicOf } from '../src/registry/auth.ts';
import { distributionPeer } from '../src/registry/distribution-peer.ts';
import type { Endpoint } from '../src/registry/endpoint.ts';
import type { CallOptions, ListingPeer, TagFacts, WritablePeer } from '../src/registry/peer.ts';
import type { RegistryClient } from '../src/registry/registry-client.ts';
import { constant } from '../src/registry/renewable.ts';
import { PLAIN } from '../src/registry/vendor.ts';
import { part, VendorApi } from '../src/registry/vendor-api.ts';

/** The most that Harbor answers at once (swagger: `pageSize`). */
const PAGE_SIZE = 100;
/** How long a project that was there is taken to be there: a push into one that went since says so itself. */
const PREPARED_MS = 5 * 60_000;

const Named = z.array(z.object({ name: z.string() }));
const Artifacts = z.array(
  z.object({
    digest: z.string(),
    tags: z.array(z.object({ name: z.string(), push_time: z.string().optional() })).nullish(),
    labels: z.array(z.object({ name: z.string() })).nullish(),
  }),
);

const Options = z.strictObject({
  createProjects: z
    .boolean()
    .default(true)
    .meta({ description: 'Whether a project that a push needs is made where it is missing.' }),
});

export const harbor = defineAdapter({
  name: 'harbor',
  title: 'Harbor',
  description:
    'Harbor 2, or another Portolan. Lists projects, repositories and labels by its API, makes projects, and deletes tags alone.',
  credential: { description: 'A user name and its password or CLI secret, or a robot account.' },
  capabilities: { ...PLAIN, listTagDigests: true, prepare: true },
  nameParts: { least: 2 },
  options: Options.prefault({}).meta({ description: 'What Harbor does in its own way.' }),

  connect(endpoint, client) {
    const projects = new Projects(endpoint, client);
    return {
      ...distributionPeer(endpoint, client),
      repositories: (options) => projects.repositories(options),
      tagDigests: (repository, options) => projects.tagDigests(repository, options),
      repositoryWith: (digest, options) => projects.repositoryWith(digest, options),
      preparePush: (repository, options) => projects.prepare(repository, options),
      deleteTag: (repository, tag, options) => projects.deleteTag(repository, tag, options),
    };
  },
});

class Projects
  implements Required<Pick<ListingPeer & WritablePeer, 'repositories' | 'tagDigests' | 'deleteTag'>>
{
  readonly #api: VendorApi;
  readonly #createProjects: boolean;
  readonly #prepared = new LRUCache<string, true>({ max: 10_000, ttl: PREPARED_MS });

  constructor(endpoint: Endpoint<z.infer<typeof Options>>, client: RegistryClient) {
    const { credential, options, ...access } = endpoint;
    const authorization = credential && constant(basicOf(credential));
    const url = new URL('api/v2.0/', endpoint.url);
    this.#api = new VendorApi(client, { ...access, url, authorization });
    this.#createProjects = options.createProjects;
  }

  async *repositories({
    prefix = '',
    ...options
  }: CallOptions & { readonly prefix?: string }): AsyncGenerator<string> {
    const [project = '', ...more] = prefix.split('/');
    const projects =
      more.length > 0 ? [project] : this.#names('projects', { ...options, unknown: undefined });
    for await (const name of projects) {
      if (more.length === 0 && !name.startsWith(prefix)) continue;
      const path = `projects/${part(name)}/repositories`;
      for await (const repository of this.#names(path, { ...options, unknown: 'none' })) {
        if (repository.startsWith(prefix) && isRepositoryName(repository)) yield repository;
      }
    }
  }

  /** Of what has a tag. Signatures that Harbor keeps as accessories are no artifacts of this list. */
  async *tagDigests(repository: string, options: CallOptions): AsyncGenerator<TagFacts> {
    const query = { page: 1, page_size: PAGE_SIZE, with_tag: 'true', with_label: 'true' };
    const path = `${pathOf(repository)}/artifacts`;
    for await (const page of this.#api.pages({ ...options, path, query })) {
      if (page.status !== 200) throw page.refusal('NAME_UNKNOWN');
      for (const { digest, tags, labels } of page.body(Artifacts)) {
        if (!isDigest(digest)) continue;
        const facts = { digest, labels: (labels ?? []).map(({ name }) => name) };
        for (const { name, push_time } of tags ?? []) {
          if (isTag(name)) yield { name, pushedAt: timeOf(push_time), ...facts };
        }
      }
    }
  }

  async repositoryWith(
    digest: Digest,
    { project, ...options }: CallOptions & { readonly project: string },
  ): Promise<string | undefined> {
    const query = { q: `blob_digest=${digest}`, page_size: 1 };
    const path = `projects/${part(project)}/repositories`;
    const answer = await this.#api.ask({ ...options, path, query, isOptional: true });
    // Some versions know no such question; then nobody knows.
    if (answer.status !== 200) return undefined;
    return answer.body(Named)[0]?.name;
  }

  async prepare(
    repository: string,
    { isPublic = false, ...options }: CallOptions & { readonly isPublic?: boolean },
  ): Promise<void> {
    const { project } = splitName(repository);
    if (!this.#createProjects || this.#prepared.has(project)) return;
    const query = { project_name: project };
    const found = await this.#api.ask({ ...options, method: 'HEAD', path: 'projects', query });
    // Who may not make projects may well push into one that is there.
    if (found.status !== 200) await this.#create(project, { ...options, isPublic });
    this.#prepared.set(project, true);
  }

  async #create(
    project: string,
    { isPublic, ...options }: CallOptions & { readonly isPublic: boolean },
  ): Promise<void> {
    const answer = await this.#api.ask({
      ...options,
      method: 'POST',
      path: 'projects',
      json: { project_name: project, metadata: { public: String(isPublic) } },
    });
    // 409: somebody else made it, which is what was wanted.
    if (answer.status !== 201 && answer.status !== 409) throw answer.refusal('NAME_UNKNOWN');
  }

  async deleteTag(repository: string, tag: string, options: CallOptions): Promise<void> {
    if (!isTag(tag)) throw new OciError('TAG_INVALID', { detail: tag });
    const path = `${pathOf(repository)}/artifacts/${tag}/tags/${tag}`;
    const answer = await this.#api.ask({ ...options, method: 'DELETE', path });
    if (answer.status !== 200) throw answer.refusal('MANIFEST_UNKNOWN');
  }

  /** `none`: what is not there has nothing in it. */
  async *#names(
    path: string,
    { unknown, ...options }: CallOptions & { readonly unknown: 'none' | undefined },
  ): AsyncGenerator<string> {
    const query = { page: 1, page_size: PAGE_SIZE };
    for await (const page of this.#api.pages({ ...options, path, query })) {
      if (page.status === 404 && unknown === 'none') return;
      if (page.status !== 200) throw page.refusal('UNSUPPORTED');
      for (const { name } of page.body(Named)) yield name;
    }
  }
}

/** @throws OciError NAME_INVALID where it is in no project */
function splitName(repository: string): { project: string; rest: string } {
  const [project = '', ...rest] = repository.split('/');
  if (!isRepositoryName(repository) || rest.length === 0) {
    const message = `${repository} is in no project: Harbor's names have two parts at least`;
    throw new OciError('NAME_INVALID', { message });
  }
  return { project, rest: rest.join('/') };
}

function pathOf(repository: string): string {
  const { project, rest } = splitName(repository);
  return `projects/${part(project)}/repositories/${part(part(rest))}`;
}

function timeOf(text: string | undefined): number | undefined {
  const at = Date.parse(text ?? '');
  return Number.isNaN(at) ? undefined : at;
}
