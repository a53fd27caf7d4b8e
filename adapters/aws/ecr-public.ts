/**
 * Amazon ECR Public. The protocol is plain, and
 *
 * - it is one place, `public.ecr.aws`, where a repository's name starts with its owner's alias;
 * - everybody may pull (a request a second, docs/wire-notes.md 8), and its token service takes a login that its API gives
 *   for an access key, at one region alone;
 * - a repository has to be there before a push; the API, which names it without the alias, makes, lists and deletes what is
 *   the account's own, and knows nothing of others: what is listed is the account's own.
 *
 * Sources: https://docs.aws.amazon.com/AmazonECRPublic/latest/APIReference/ (API version 2020-10-30).
 */
import type { ECRPUBLICClient } from '@aws-sdk/client-ecr-public';
import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import { isDigest } from '../../src/oci/digest.ts';
import { OciError } from '../../src/oci/error.ts';
import { isRepositoryName } from '../../src/oci/reference.ts';
import { defineAdapter } from '../../src/registry/adapter.ts';
import { distributionPeer } from '../../src/registry/distribution-peer.ts';
import type { Credential, Endpoint } from '../../src/registry/endpoint.ts';
import { UpstreamRefused } from '../../src/registry/errors.ts';
import type { CallOptions } from '../../src/registry/peer.ts';
import type { RegistryClient } from '../../src/registry/registry-client.ts';
import { type Renewable, renewable } from '../../src/registry/renewable.ts';
import { PLAIN } from '../../src/registry/vendor.ts';
import { called, loginIn, SHARED_OPTIONS, settingsOf } from './calls.ts';

const REGISTRY = 'https://public.ecr.aws/';
/** The only one that has the API. */
const REGION = 'us-east-1';
/** The most that it gives. */
const PAGE_SIZE = 1000;
const PREPARED_MS = 5 * 60_000;

const Options = z.strictObject({
  asMachine: z.boolean().default(false).meta({
    description: 'Without a credential: be what the machine is allowed to be, not nobody.',
  }),
  profile: SHARED_OPTIONS.profile.meta({
    description: 'A profile of the AWS configuration to act as, with `asMachine`.',
  }),
  createRepositories: SHARED_OPTIONS.createRepositories,
  apiUrl: SHARED_OPTIONS.apiUrl.meta({
    description: 'Where its API is, if not at Amazon’s own place.',
  }),
});
type Options = z.infer<typeof Options>;

export const ecrPublic = defineAdapter({
  name: 'ecr-public',
  title: 'Amazon ECR Public',
  description:
    'public.ecr.aws. Everybody may pull; with a credential, this node lists, makes, pushes and deletes what is the account’s own. The last tag of an image takes the image along.',
  places: [{ name: 'Amazon ECR Public', url: REGISTRY }],
  credential: { description: 'An access key id and its secret; none for pulls as nobody.' },
  capabilities: { ...PLAIN, chunkedPush: false, mount: false, prepare: true },
  nameParts: { least: 2 },
  defaultUrl: REGISTRY,
  options: Options.prefault({}).meta({ description: 'Of Amazon ECR Public.' }),

  connect(endpoint, client) {
    const api = new EcrPublicApi(endpoint, client);
    const plain = { ...endpoint, credential: api.credential, uploads: { chunks: false } };
    return {
      ...distributionPeer(plain, client),
      // It opens an upload instead, every time.
      mountBlob: async () => false,
      repositories: (options) => api.repositories(options),
      preparePush: (repository, options) => api.prepare(repository, options),
      deleteTag: (repository, tag, options) => api.remove(repository, tag, options),
      deleteManifest: (repository, digest, options) => api.remove(repository, digest, options),
    };
  },
});

class EcrPublicApi {
  /** Of the registry: a login that the API gives, or none. */
  readonly credential: Renewable<Credential> | undefined;
  readonly #endpoint: Endpoint<Options>;
  readonly #prepared = new LRUCache<string, true>({ max: 10_000, ttl: PREPARED_MS });
  #client: Promise<ECRPUBLICClient> | undefined;

  constructor(endpoint: Endpoint<Options>, { now }: RegistryClient) {
    const { credential, options } = endpoint;
    this.#endpoint = endpoint;
    const isSomebody = credential !== undefined || options.asMachine;
    this.credential = isSomebody ? renewable((asking) => this.#logIn(asking), now) : undefined;
  }

  async *repositories({
    prefix = '',
    ...options
  }: CallOptions & { readonly prefix?: string }): AsyncGenerator<string> {
    const { DescribeRepositoriesCommand } = await load();
    let nextToken: string | undefined;
    do {
      const asked = { maxResults: PAGE_SIZE, nextToken };
      const page = await this.#call(options, (client, signal) =>
        client.send(new DescribeRepositoriesCommand(asked), signal),
      );
      for (const { repositoryUri = '' } of page.repositories ?? []) {
        // `public.ecr.aws/<alias>/<name>`
        const name = repositoryUri.slice(repositoryUri.indexOf('/') + 1);
        if (name.startsWith(prefix) && isRepositoryName(name)) yield name;
      }
      nextToken = page.nextToken;
    } while (nextToken !== undefined);
  }

  async prepare(repository: string, options: CallOptions): Promise<void> {
    if (!this.#endpoint.options.createRepositories || this.#prepared.has(repository)) return;
    const repositoryName = nameOf(repository);
    if (!(await this.#isThere(repositoryName, options))) {
      const { CreateRepositoryCommand } = await load();
      try {
        await this.#call(options, (client, signal) =>
          client.send(new CreateRepositoryCommand({ repositoryName }), signal),
        );
      } catch (error) {
        // Somebody else made it, which is what was wanted.
        const isThere =
          error instanceof UpstreamRefused && error.code === 'RepositoryAlreadyExistsException';
        if (!isThere) throw error;
      }
    }
    this.#prepared.set(repository, true);
  }

  async remove(repository: string, reference: string, options: CallOptions): Promise<void> {
    const { BatchDeleteImageCommand } = await load();
    const image = isDigest(reference) ? { imageDigest: reference } : { imageTag: reference };
    const asked = { repositoryName: nameOf(repository), imageIds: [image] };
    const { failures: [failure] = [] } = await this.#call(options, (client, signal) =>
      client.send(new BatchDeleteImageCommand(asked), signal),
    );
    if (failure === undefined) return;
    const { failureCode: code, failureReason: words } = failure;
    if (code === 'ImageNotFound') {
      throw new OciError('MANIFEST_UNKNOWN', words === undefined ? {} : { message: words });
    }
    throw new UpstreamRefused(this.#endpoint.url.host, { status: 400, code, words });
  }

  async #isThere(repositoryName: string, options: CallOptions): Promise<boolean> {
    const { DescribeRepositoriesCommand } = await load();
    try {
      await this.#call(options, (client, signal) =>
        client.send(new DescribeRepositoriesCommand({ repositoryNames: [repositoryName] }), signal),
      );
      return true;
    } catch (error) {
      if (error instanceof OciError && error.code === 'NAME_UNKNOWN') return false;
      throw error;
    }
  }

  async #logIn(options: CallOptions) {
    const { GetAuthorizationTokenCommand } = await load();
    const { authorizationData: given } = await this.#call(options, (client, signal) =>
      client.send(new GetAuthorizationTokenCommand({}), signal),
    );
    const secret = loginIn(given?.authorizationToken, this.#endpoint.url.host);
    return { secret, expiresAt: given?.expiresAt?.getTime() ?? 0 };
  }

  /** @throws OciError UNSUPPORTED where we are nobody there */
  async #call<T>(
    options: CallOptions,
    send: (client: ECRPUBLICClient, signal: { readonly abortSignal: AbortSignal }) => Promise<T>,
  ): Promise<T> {
    const { url } = this.#endpoint;
    if (this.credential === undefined) {
      const message =
        'Amazon ECR Public tells nobody what is there, and takes nothing: it needs a credential';
      throw new OciError('UNSUPPORTED', { message });
    }
    this.#client ??= load().then(({ ECRPUBLICClient: Client }) => {
      return new Client(settingsOf(REGION, this.#endpoint));
    });
    const client = this.#client;
    return called(url.host, options, async (signal) => send(await client, signal));
  }
}

/** As the API calls it: without its owner's alias. @throws OciError NAME_INVALID */
function nameOf(repository: string): string {
  const slash = repository.indexOf('/');
  if (!isRepositoryName(repository) || slash < 0) {
    const message = `${repository} is no name of Amazon ECR Public, which start with an alias`;
    throw new OciError('NAME_INVALID', { message });
  }
  return repository.slice(slash + 1);
}

/** Nobody who has no such endpoint waits for it. */
function load() {
  return import('@aws-sdk/client-ecr-public');
}
