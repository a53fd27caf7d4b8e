/**
 * The API of Amazon ECR Public as its reference describes it (https://docs.aws.amazon.com/AmazonECRPublic/latest/APIReference/, API
 * version 2020-10-30, JSON 1.1), for the account whose alias is `team`. Its registry takes the login at a token service.
 */
import { isDigest } from '../../../src/oci/digest.ts';
import { json, startUpstream, type Upstream } from '../../support/upstream.ts';
import { failed } from './ecr-api.ts';

export interface EcrPublicApi extends AsyncDisposable {
  readonly url: URL;
  readonly server: Upstream;
  readonly operations: string[];
  /** Gives another password with the next login, and takes no other. */
  change(): void;
}

interface Input {
  readonly repositoryName?: string;
  readonly repositoryNames?: readonly string[];
  readonly nextToken?: string;
  readonly imageIds?: readonly { readonly imageTag?: string; readonly imageDigest?: string }[];
}

const ALIAS = 'team';
const PAGE_SIZE = 2;

/** About what `registry` holds. */
export async function startEcrPublicApi(registry: Upstream): Promise<EcrPublicApi> {
  const server = await startUpstream();
  const made = new Set<string>();
  const operations: string[] = [];
  let password = 'password-0';
  const names = () => {
    const held = [...registry.held.keys()].filter((name) => name.startsWith(`${ALIAS}/`));
    return [...new Set([...held.map((name) => name.slice(ALIAS.length + 1)), ...made])];
  };
  server.serveApi(/^\//, ({ headers, body }) => {
    const operation = String(headers['x-amz-target']).replace('SpencerFrontendService.', '');
    const input: Input = JSON.parse(body.toString());
    operations.push(operation);
    if (operation === 'GetAuthorizationToken') {
      const authorizationToken = Buffer.from(`AWS:${password}`).toString('base64');
      const expiresAt = Date.now() / 1000 + 12 * 3600;
      return json({ authorizationData: { authorizationToken, expiresAt } });
    }
    if (operation === 'DescribeRepositories') return describe(names(), input);
    if (operation === 'BatchDeleteImage') return remove(registry, input);
    const { repositoryName = '' } = input;
    if (names().includes(repositoryName)) return failed('RepositoryAlreadyExistsException');
    made.add(repositoryName);
    return json({ repository: { repositoryName } });
  });
  return {
    url: server.url,
    server,
    operations,
    change() {
      password = `password-${operations.length + 1}`;
      registry.tokens.expireAll();
      registry.requireToken({ users: { AWS: password }, anonymous: false });
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

function describe(all: readonly string[], { repositoryNames, nextToken }: Input) {
  if (repositoryNames?.every((name) => all.includes(name)) === false) {
    return failed('RepositoryNotFoundException');
  }
  const start = Number(nextToken ?? 0);
  const end = start + PAGE_SIZE;
  const repositories = (repositoryNames ?? all).slice(start, end).map((repositoryName) => ({
    repositoryName,
    repositoryUri: `public.ecr.aws/${ALIAS}/${repositoryName}`,
  }));
  return json({ repositories, ...(end < all.length ? { nextToken: String(end) } : {}) });
}

function remove(registry: Upstream, { repositoryName = '', imageIds = [] }: Input) {
  const repository = `${ALIAS}/${repositoryName}`;
  const [{ imageTag = '', imageDigest = '' } = {}] = imageIds;
  const digest = isDigest(imageDigest) ? imageDigest : registry.tagged(repository, imageTag);
  const isThere =
    digest !== undefined &&
    registry.lookUp(`/v2/${repository}/manifests/${digest}`, undefined).status === 200;
  if (!isThere) return json({ failures: [{ failureCode: 'ImageNotFound' }] });
  registry.remove(repository, digest);
  return json({ imageIds, failures: [] });
}
