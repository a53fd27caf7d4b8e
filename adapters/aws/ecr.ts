/**
 * Amazon ECR, private registries. The protocol is plain, and
 *
 * - one logs in with a token of 12 hours that its API gives for an access key, or for what the machine is allowed to do
 *   (environment, profile, web identity of a pod, instance role) where there is no key;
 * - a repository has to be there before a push;
 * - its API lists repositories and images; `_catalog` and `tags/list` work, a thousand at a time, in no order;
 * - its API deletes: a manifest with its tags, or a tag, which takes its image along if it was the last;
 * - a registry is an account's in a region, and may be another account's than the caller's;
 * - an upload's status lags behind what it has, so that a push that broke off starts again; blobs are mounted where the
 *   account has it switched on;
 * - Harbor calls a region's API by its URL, and the registry's own comes with the token.
 *
 * Sources: https://docs.aws.amazon.com/AmazonECR/latest/APIReference/ (API version 2015-09-21), docs/wire-notes.md 9,
 * https://github.com/aws/containers-roadmap/issues/2831, harbor v2.15.2 src/pkg/reg/adapter/awsecr.
 */
import type { ECRClient, ImageIdentifier } from '@aws-sdk/client-ecr';
import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import { type Digest, isDigest } from '../../src/oci/digest.ts';
import { OciError } from '../../src/oci/error.ts';
import { isRepositoryName, isTag } from '../../src/oci/reference.ts';
import { defineAdapter } from '../../src/registry/adapter.ts';
import { deferredPeer } from '../../src/registry/deferred-peer.ts';
import { distributionPeer } from '../../src/registry/distribution-peer.ts';
import type { Credential, Endpoint } from '../../src/registry/endpoint.ts';
import { UpstreamInvalid, UpstreamRefused } from '../../src/registry/errors.ts';
import type { CallOptions, TagFacts } from '../../src/registry/peer.ts';
import type { RegistryClient } from '../../src/registry/registry-client.ts';
import { type Renewable, renewable } from '../../src/registry/renewable.ts';
import { PLAIN } from '../../src/registry/vendor.ts';
import { called, loginIn, SHARED_OPTIONS, settingsOf } from './calls.ts';

/** The most that its API gives. */
const PAGE_SIZE = 1000;
const PREPARED_MS = 5 * 60_000;

/** A registry of an account, of either address family, and a region's API as Harbor names it. */
const REGISTRY_HOST =
  /^(\d{12})\.dkr(?:\.ecr|-ecr)(?:-fips)?\.([a-z0-9-]+)\.(?:amazonaws\.com(?:\.cn)?|on\.aws|on\.amazonwebservices\.com\.cn)$/;
const API_HOST = /^api\.ecr\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?$/;

const Options = z.strictObject({
  region: z
    .string()
    .optional()
    .meta({ description: 'Where the URL does not say it.', examples: ['eu-central-1'] }),
  registryId: z
    .string()
    .regex(/^\d{12}$/, 'an account of twelve digits')
    .optional()
    .meta({ description: 'The account whose registry it is, where the URL does not say it.' }),
  profile: SHARED_OPTIONS.profile.meta({
    description: 'A profile of the AWS configuration to act as, without a `credential`.',
  }),
  createRepositories: SHARED_OPTIONS.createRepositories,
  apiUrl: SHARED_OPTIONS.apiUrl.meta({
    description: 'Where its API is, if not at Amazon’s own place for the region.',
  }),
});
type Options = z.infer<typeof Options>;

export const ecr = defineAdapter({
  name: 'aws-ecr',
  title: 'Amazon ECR',
  description:
    'Private registries of Amazon ECR, another account’s included. Without a credential, this node is what its machine is allowed to be. Makes repositories. The last tag of an image takes the image along.',
  credential: { description: 'An access key id and its secret; none for the machine’s own role.' },
  capabilities: { ...PLAIN, chunkedPush: false, listTagDigests: true, prepare: true },
  options: Options.prefault({}).meta({ description: 'Of Amazon ECR.' }),

  connect(endpoint, client) {
    const api = new EcrApi(endpoint, client);
    const plain = deferredPeer(async (options) => {
      const url = await api.registryUrl(options);
      const access = { ...endpoint, url, credential: api.credential };
      return distributionPeer({ ...access, uploads: { chunks: false } }, client);
    });
    return {
      ...plain,
      repositories: (options) => api.repositories(options),
      tagDigests: (repository, options) => api.tagDigests(repository, options),
      preparePush: (repository, options) => api.prepare(repository, options),
      deleteTag: (repository, imageTag, options) => api.remove(repository, { imageTag }, options),
      deleteManifest: (repository, imageDigest, options) =>
        api.remove(repository, { imageDigest }, options),
    };
  },
});

class EcrApi {
  /** Of the registry: a token of the API's. */
  readonly credential: Renewable<Credential>;
  readonly #endpoint: Endpoint<Options>;
  readonly #region: string | undefined;
  readonly #registryId: string | undefined;
  readonly #prepared = new LRUCache<string, true>({ max: 10_000, ttl: PREPARED_MS });
  /** As the API says it, with the last token. */
  #proxyUrl: string | undefined;
  #client: Promise<ECRClient> | undefined;

  constructor(endpoint: Endpoint<Options>, { now }: RegistryClient) {
    const { hostname } = endpoint.url;
    const { region, registryId } = endpoint.options;
    const [, account, ofRegistry] = REGISTRY_HOST.exec(hostname) ?? [];
    this.#endpoint = endpoint;
    this.#region = region ?? ofRegistry ?? API_HOST.exec(hostname)?.[1];
    this.#registryId = registryId ?? account;
    this.credential = renewable((options) => this.#logIn(options), now);
  }

  async registryUrl(options: CallOptions): Promise<URL> {
    const { url } = this.#endpoint;
    if (!API_HOST.test(url.hostname)) return url;
    const isOwn = this.#registryId === undefined;
    if (isOwn && this.#proxyUrl === undefined) await this.credential.get(options);
    if (isOwn && this.#proxyUrl !== undefined) return new URL(`${this.#proxyUrl}/`);
    return new URL(url.href.replace('api.ecr.', `${this.#registryId}.dkr.ecr.`));
  }

  async *repositories({
    prefix = '',
    ...options
  }: CallOptions & { readonly prefix?: string }): AsyncGenerator<string> {
    const { DescribeRepositoriesCommand } = await load();
    let nextToken: string | undefined;
    do {
      const asked = { ...this.#registry, maxResults: PAGE_SIZE, nextToken };
      const page = await this.#call(options, (ecrClient, signal) =>
        ecrClient.send(new DescribeRepositoriesCommand(asked), signal),
      );
      for (const { repositoryName = '' } of page.repositories ?? []) {
        if (repositoryName.startsWith(prefix) && isRepositoryName(repositoryName)) {
          yield repositoryName;
        }
      }
      nextToken = page.nextToken;
    } while (nextToken !== undefined);
  }

  async *tagDigests(repository: string, options: CallOptions): AsyncGenerator<TagFacts> {
    const { DescribeImagesCommand } = await load();
    let nextToken: string | undefined;
    do {
      const asked = {
        ...this.#of(repository),
        filter: { tagStatus: 'TAGGED' as const },
        maxResults: PAGE_SIZE,
        nextToken,
      };
      const page = await this.#call(options, (ecrClient, signal) =>
        ecrClient.send(new DescribeImagesCommand(asked), signal),
      );
      for (const { imageDigest: digest = '', imageTags = [], imagePushedAt } of page.imageDetails ??
        []) {
        if (!isDigest(digest)) continue;
        const facts = { digest, pushedAt: imagePushedAt?.getTime() };
        for (const name of imageTags) if (isTag(name)) yield { name, ...facts };
      }
      nextToken = page.nextToken;
    } while (nextToken !== undefined);
  }

  async prepare(repository: string, options: CallOptions): Promise<void> {
    if (!this.#endpoint.options.createRepositories || this.#prepared.has(repository)) return;
    if (!(await this.#isThere(repository, options))) await this.#create(repository, options);
    this.#prepared.set(repository, true);
  }

  async remove(
    repository: string,
    image: Pick<ImageIdentifier, 'imageTag'> | { readonly imageDigest: Digest },
    options: CallOptions,
  ): Promise<void> {
    const { BatchDeleteImageCommand } = await load();
    const asked = { ...this.#of(repository), imageIds: [image] };
    const { failures = [] } = await this.#call(options, (ecrClient, signal) =>
      ecrClient.send(new BatchDeleteImageCommand(asked), signal),
    );
    const [failure] = failures;
    if (failure === undefined) return;
    const { failureCode: code, failureReason: words } = failure;
    if (code === 'ImageNotFound' || code === 'ImageTagDoesNotMatchDigest') {
      throw new OciError('MANIFEST_UNKNOWN', words === undefined ? {} : { message: words });
    }
    throw new UpstreamRefused(this.#endpoint.url.host, { status: 400, code, words });
  }

  async #isThere(repository: string, options: CallOptions): Promise<boolean> {
    const { DescribeRepositoriesCommand } = await load();
    const asked = { ...this.#registry, repositoryNames: [repository] };
    try {
      await this.#call(options, (ecrClient, signal) =>
        ecrClient.send(new DescribeRepositoriesCommand(asked), signal),
      );
      return true;
    } catch (error) {
      if (error instanceof OciError && error.code === 'NAME_UNKNOWN') return false;
      throw error;
    }
  }

  async #create(repository: string, options: CallOptions): Promise<void> {
    const { CreateRepositoryCommand } = await load();
    const asked = { ...this.#registry, repositoryName: repository };
    try {
      await this.#call(options, (ecrClient, signal) =>
        ecrClient.send(new CreateRepositoryCommand(asked), signal),
      );
    } catch (error) {
      // Somebody else made it, which is what was wanted.
      const isThere =
        error instanceof UpstreamRefused && error.code === 'RepositoryAlreadyExistsException';
      if (!isThere) throw error;
    }
  }

  async #logIn(options: CallOptions) {
    const { GetAuthorizationTokenCommand } = await load();
    const { authorizationData: [given] = [] } = await this.#call(options, (ecrClient, signal) =>
      ecrClient.send(new GetAuthorizationTokenCommand({}), signal),
    );
    this.#proxyUrl = given?.proxyEndpoint;
    const secret = loginIn(given?.authorizationToken, this.#endpoint.url.host);
    return { secret, expiresAt: given?.expiresAt?.getTime() ?? 0 };
  }

  get #registry() {
    return this.#registryId === undefined ? {} : { registryId: this.#registryId };
  }

  #of(repository: string) {
    if (!isRepositoryName(repository)) throw new OciError('NAME_INVALID', { detail: repository });
    return { ...this.#registry, repositoryName: repository };
  }

  async #call<T>(
    options: CallOptions,
    send: (client: ECRClient, signal: { readonly abortSignal: AbortSignal }) => Promise<T>,
  ): Promise<T> {
    const { url } = this.#endpoint;
    if (this.#region === undefined) {
      throw new UpstreamInvalid(url.host, 'its URL names no region: say options.region');
    }
    const region = this.#region;
    this.#client ??= load().then(({ ECRClient: Client }) => {
      return new Client(settingsOf(region, this.#endpoint));
    });
    const client = this.#client;
    return called(url.host, options, async (signal) => send(await client, signal));
  }
}

/** Half a second, and nobody who has no such registry waits for it. */
function load() {
  return import('@aws-sdk/client-ecr');
}
