/**
 * The API of Amazon ECR as its reference describes it (https://docs.aws.amazon.com/AmazonECR/latest/APIReference/, API version
 * 2015-09-21, JSON 1.1): `X-Amz-Target` names the operation, errors are named by `__type`. Signatures are not checked,
 * but who signed is told.
 */
import type { Digest } from '../../../src/oci/digest.ts';
import { isDigest } from '../../../src/oci/digest.ts';
import {
  json,
  startUpstream,
  type Upstream,
  type UpstreamOptions,
} from '../../support/upstream.ts';

export interface EcrApi extends AsyncDisposable {
  readonly url: URL;
  readonly server: Upstream;
  /** Operations so far, with what they were asked. */
  readonly asked: { readonly operation: string; readonly input: Input; readonly keyId: string }[];
  /** What one logs in to the registry with; a new one with each login. */
  password: string;
  /** Repositories that were made without an image. */
  readonly made: Set<string>;
  /** Seconds that a token is good for. */
  lifetime: number;
}

interface Input {
  readonly registryId?: string;
  readonly repositoryName?: string;
  readonly repositoryNames?: readonly string[];
  readonly maxResults?: number;
  readonly nextToken?: string;
  readonly imageIds?: readonly { readonly imageTag?: string; readonly imageDigest?: string }[];
}

const PAGE_SIZE = 2;
const PREFIX = 'AmazonEC2ContainerRegistry_V20150921.';

/** About what `registry` holds, which wants the passwords that this gives. */
export async function startEcrApi(
  registry: Upstream,
  tls?: UpstreamOptions['tls'],
): Promise<EcrApi> {
  const server = await startUpstream(tls === undefined ? {} : { tls });
  const api: EcrApi = {
    url: server.url,
    server,
    asked: [],
    password: 'password-0',
    made: new Set(),
    lifetime: 12 * 3600,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
  server.serveApi(/^\//, ({ headers, body }) => {
    const operation = String(headers['x-amz-target']).replace(PREFIX, '');
    const input: Input = JSON.parse(body.toString());
    const keyId = /Credential=([^/]+)\//.exec(headers.authorization ?? '')?.[1] ?? '';
    api.asked.push({ operation, input, keyId });
    if (operation === 'GetAuthorizationToken') return logIn(registry, api);
    if (operation === 'DescribeRepositories') return describeRepositories(registry, api, input);
    if (operation === 'CreateRepository') return createRepository(registry, api, input);
    if (operation === 'DescribeImages') return describeImages(registry, input);
    return operation === 'BatchDeleteImage' ? deleteImages(registry, input) : undefined;
  });
  return api;
}

function logIn(registry: Upstream, api: EcrApi) {
  api.password = `password-${Number(api.password.split('-')[1]) + 1}`;
  registry.requireBasic('AWS', api.password);
  const authorizationToken = Buffer.from(`AWS:${api.password}`).toString('base64');
  const expiresAt = Date.now() / 1000 + api.lifetime;
  const proxyEndpoint = registry.url.origin;
  return json({ authorizationData: [{ authorizationToken, expiresAt, proxyEndpoint }] });
}

function describeRepositories(registry: Upstream, { made }: EcrApi, input: Input) {
  const all = [...new Set([...registry.held.keys(), ...made])].toSorted();
  const { repositoryNames } = input;
  if (repositoryNames?.every((name) => all.includes(name)) === false) {
    return failed('RepositoryNotFoundException');
  }
  return page(repositoryNames ?? all, input, (names) => ({
    repositories: names.map((repositoryName) => ({ repositoryName })),
  }));
}

function createRepository(registry: Upstream, { made }: EcrApi, { repositoryName = '' }: Input) {
  if (registry.held.has(repositoryName) || made.has(repositoryName)) {
    return failed('RepositoryAlreadyExistsException');
  }
  made.add(repositoryName);
  return json({ repository: { repositoryName } });
}

function describeImages(registry: Upstream, input: Input) {
  const tags = registry.held.get(input.repositoryName ?? '');
  if (tags === undefined) return failed('RepositoryNotFoundException');
  const images = Map.groupBy(tags, ([, digest]) => digest);
  return page([...images], input, (some) => ({
    imageDetails: some.map(([imageDigest, of]) => ({
      imageDigest,
      imageTags: of.map(([tag]) => tag),
      imagePushedAt: 1_780_000_000,
    })),
  }));
}

/** The last tag of an image takes the image along. */
function deleteImages(registry: Upstream, { repositoryName = '', imageIds = [] }: Input) {
  const tags = registry.held.get(repositoryName);
  if (tags === undefined) return failed('RepositoryNotFoundException');
  const [{ imageTag = '', imageDigest = '' } = {}] = imageIds;
  const digest = isDigest(imageDigest) ? imageDigest : tags.get(imageTag);
  if (digest === undefined || !has(registry, repositoryName, digest)) {
    const failureCode = 'ImageNotFound';
    return json({ failures: [{ failureCode, failureReason: 'Requested image not found' }] });
  }
  if (imageTag !== '') registry.remove(repositoryName, imageTag);
  const isTagged = [...tags.values()].includes(digest);
  if (imageDigest !== '' || !isTagged) registry.remove(repositoryName, digest);
  return json({ imageIds, failures: [] });
}

function has(registry: Upstream, repository: string, digest: Digest): boolean {
  return registry.lookUp(`/v2/${repository}/manifests/${digest}`, undefined).status === 200;
}

function page<T>(all: readonly T[], input: Input, body: (some: readonly T[]) => object) {
  const start = Number(input.nextToken ?? 0);
  const end = start + PAGE_SIZE;
  const next = end < all.length ? { nextToken: String(end) } : {};
  return json({ ...body(all.slice(start, end)), ...next });
}

export function failed(type: string, status = 400) {
  return json({ __type: type, message: `it is a ${type}` }, status);
}
