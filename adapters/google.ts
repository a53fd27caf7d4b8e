/**
 * Google: Container Registry's hosts (`gcr.io` and its regions, served by Artifact Registry since 2025) and Artifact Registry
 * (`<location>-docker.pkg.dev/<project>/<repository>/<image>`). The protocol is plain, and
 *
 * - one logs in as `_json_key` with a service account's key, as `oauth2accesstoken` with a token, or as what the machine is
 *   allowed to be, for which this asks Google's library;
 * - `tags/list` tells beside the tags what they point to, when it was pushed, and which repositories are below: there is
 *   no other list of those that whoever may pull may read, and `_catalog` only at `gcr.io`;
 * - an upload goes in one request, and not in several;
 * - a manifest goes only when no tag points to it any more;
 * - a repository of Artifact Registry is there before a push; Container Registry's are made with it.
 *
 * Sources: https://cloud.google.com/artifact-registry/docs/docker (authentication, pushing-and-pulling), docs/wire-notes.md 2
 * and 9, go-containerregistry v0.22 pkg/v1/google (the form of `tags/list`), harbor v2.15.2 src/pkg/reg/adapter/googlegcr.
 */
import { z } from 'zod';
import { type Digest, isDigest } from '../src/oci/digest.ts';
import { OciError } from '../src/oci/error.ts';
import { isRepositoryName, isTag } from '../src/oci/reference.ts';
import { defineAdapter } from '../src/registry/adapter.ts';
import { distributionPeer } from '../src/registry/distribution-peer.ts';
import type { Credential, Endpoint } from '../src/registry/endpoint.ts';
import { UpstreamDenied } from '../src/registry/errors.ts';
import { jsonIn } from '../src/registry/json.ts';
import type { CallOptions, ListingPeer, TagFacts } from '../src/registry/peer.ts';
import type { RegistryClient } from '../src/registry/registry-client.ts';
import { type Dated, type Renewable, renewable } from '../src/registry/renewable.ts';
import {
  type RepositoryCalls,
  refusal,
  repositoryCalls,
} from '../src/registry/repository-calls.ts';
import { PLAIN } from '../src/registry/vendor.ts';

/** What a token may be used for; what it may do is said by the roles of whose it is. */
const SCOPE = 'https://www.googleapis.com/auth/cloud-platform';
/** Google's tokens live an hour; this is for one that does not say. */
const TOKEN_MS = 5 * 60_000;
/** Repositories below repositories: more is no registry's layout, but a circle. */
const MOST_DEPTH = 16;

const List = z.object({
  child: z.array(z.string()).nullish(),
  tags: z.array(z.string()).nullish(),
  manifest: z
    .record(
      z.string(),
      z.object({ tag: z.array(z.string()).nullish(), timeUploadedMs: z.string().nullish() }),
    )
    .nullish(),
});
type List = z.infer<typeof List>;

const Options = z.strictObject({
  asMachine: z.boolean().default(false).meta({
    description: 'Without a credential: be what the machine is allowed to be, not nobody.',
  }),
  credentialsFile: z
    .string()
    .min(1)
    .optional()
    .meta({
      description:
        'Google’s own configuration of a credential, with `asMachine`: a key, or a workload identity federation.',
      examples: ['/etc/portolan/google.json'],
    }),
  roots: z
    .array(z.string().refine(isRepositoryName, 'a project, or a project and a repository'))
    .default([])
    .meta({
      description:
        'Where its repositories are: a project at `gcr.io`, a project and a repository at `pkg.dev`, which lists nothing by itself.',
      examples: [['my-project/my-repository']],
    }),
});
type Options = z.infer<typeof Options>;

export const google = defineAdapter({
  name: 'google',
  title: 'Google Artifact Registry',
  description:
    'Google Artifact Registry, and Container Registry’s hosts. Repositories of Artifact Registry have to be there before a push, and are listed below `roots` or a pattern’s first parts.',
  harborType: 'google-gcr',
  places: ['gcr.io', 'us.gcr.io', 'eu.gcr.io', 'asia.gcr.io'].map((name) => ({
    name,
    url: `https://${name}`,
  })),
  credential: {
    description: 'A service account’s key in JSON as the password of `_json_key`.',
    username: '_json_key',
    isFile: true,
  },
  capabilities: { ...PLAIN, chunkedPush: false, listTagDigests: true },
  options: Options.prefault({}).meta({ description: 'Of Google.' }),

  connect(endpoint, client) {
    const { options } = endpoint;
    const credential = options.asMachine ? machine(endpoint, client) : endpoint.credential;
    const access = { ...endpoint, credential };
    const plain = distributionPeer({ ...access, uploads: { chunks: false } }, client);
    const lists = new Lists(repositoryCalls(access, client), options.roots);
    return {
      ...plain,
      repositories: (asking) => lists.repositories(asking, plain.repositories),
      tagDigests: (repository, asking) => lists.tagDigests(repository, asking),
      async deleteManifest(repository, digest, asking) {
        const tags = await lists.tagsOf(repository, digest, asking);
        for (const tag of tags) await plain.deleteTag(repository, tag, asking);
        await plain.deleteManifest(repository, digest, asking);
      },
    };
  },
});

class Lists implements Pick<Required<ListingPeer>, 'tagDigests'> {
  readonly #at: RepositoryCalls;
  readonly #roots: readonly string[];

  constructor(at: RepositoryCalls, roots: readonly string[]) {
    this.#at = at;
    this.#roots = roots;
  }

  async *repositories(
    { prefix = '', ...options }: CallOptions & { readonly prefix?: string },
    catalog: Required<ListingPeer>['repositories'],
  ): AsyncGenerator<string> {
    const slash = prefix.lastIndexOf('/');
    const roots = slash < 0 ? this.#roots : [prefix.slice(0, slash)];
    if (roots.length === 0) {
      yield* catalog({ prefix, ...options });
      return;
    }
    for (const root of roots) {
      for await (const name of this.#below(root, options)) if (name.startsWith(prefix)) yield name;
    }
  }

  async *tagDigests(repository: string, options: CallOptions): AsyncGenerator<TagFacts> {
    const { manifest } = await this.#list(repository, options);
    for (const [digest, { tag, timeUploadedMs }] of Object.entries(manifest ?? {})) {
      if (!isDigest(digest)) continue;
      const pushedAt = timeUploadedMs ? Number(timeUploadedMs) : undefined;
      for (const name of tag ?? []) if (isTag(name)) yield { name, digest, pushedAt };
    }
  }

  async tagsOf(
    repository: string,
    digest: Digest,
    options: CallOptions,
  ): Promise<readonly string[]> {
    const { manifest } = await this.#list(repository, options);
    return (manifest?.[digest]?.tag ?? []).filter(isTag);
  }

  async *#below(name: string, options: CallOptions, depth = 0): AsyncGenerator<string> {
    let list: List;
    try {
      list = await this.#list(name, options);
    } catch (error) {
      if (error instanceof OciError && error.code === 'NAME_UNKNOWN') return;
      throw error;
    }
    const { manifest, tags, child } = list;
    if ((tags ?? []).length > 0 || Object.keys(manifest ?? {}).length > 0) yield name;
    if (depth === MOST_DEPTH) return;
    for (const part of child ?? []) {
      const below = `${name}/${part}`;
      if (isRepositoryName(below)) yield* this.#below(below, options, depth + 1);
    }
  }

  /** All of it at once: it is not paged unless it is asked to be. */
  async #list(repository: string, options: CallOptions): Promise<List> {
    const { calls, host } = this.#at;
    const call = this.#at.to(repository, 'tags/list', options);
    const { status, bytes } = await calls.read(call, calls.limits.listBytes);
    if (status !== 200) throw refusal(call, status, 'NAME_UNKNOWN');
    return List.parse(jsonIn(bytes, host));
  }
}

/** Who the machine is allowed to be, as Google's library finds out: by a file, the environment, or the metadata server. */
function machine(
  { url, options }: Endpoint<Options>,
  { now }: RegistryClient,
): Renewable<Credential> {
  return renewable(async (): Promise<Dated<Credential>> => {
    const { GoogleAuth } = await import('google-auth-library');
    const { credentialsFile: keyFilename } = options;
    // A new one each time: it would give the same token again, whoever refused it.
    const auth = new GoogleAuth({ scopes: [SCOPE], ...(keyFilename && { keyFilename }) });
    try {
      const account = await auth.getClient();
      const { token } = await account.getAccessToken();
      const secret = { username: 'oauth2accesstoken', password: token ?? '' };
      return { secret, expiresAt: account.credentials.expiry_date ?? now() + TOKEN_MS };
    } catch (error) {
      // Its own error holds the request.
      const cause = new Error(error instanceof Error ? error.message : 'no token');
      throw new UpstreamDenied(url.host, 401, { cause });
    }
  }, now);
}
