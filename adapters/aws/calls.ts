/** Calls of Amazon's SDK, as calls of a registry are: with one kind of errors, an abort that is heard, and patience that ends. */
import { z } from 'zod';
import { OciError } from '../../src/oci/error.ts';
import { AddressRefused } from '../../src/registry/address-guard.ts';
import { guardedAgents } from '../../src/registry/agents.ts';
import type { Credential, Endpoint } from '../../src/registry/endpoint.ts';
import {
  UpstreamDenied,
  UpstreamRefused,
  UpstreamThrottled,
  UpstreamUnavailable,
} from '../../src/registry/errors.ts';
import type { CallOptions } from '../../src/registry/peer.ts';
import { StatusError } from '../../src/registry/retry.ts';

/** What the clients of ECR and ECR Public are made with. */
export interface ClientSettings {
  readonly region: string;
  /** Their default chain (environment, profile, web identity, instance) where it is left out. */
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string };
  readonly profile?: string;
  readonly endpoint?: string;
  /** Of one attempt, in milliseconds; the SDK makes three. */
  readonly requestHandler: ReturnType<typeof guardedAgents> & {
    readonly connectionTimeout: number;
    readonly requestTimeout: number;
  };
}

/** @throws AddressRefused */
export function settingsOf(
  region: string,
  {
    credential,
    options: { apiUrl, profile },
    ...access
  }: Endpoint<{ readonly apiUrl?: string | undefined; readonly profile?: string | undefined }>,
): ClientSettings {
  const agents = guardedAgents(apiUrl === undefined ? undefined : new URL(apiUrl), access);
  return {
    region,
    requestHandler: { connectionTimeout: 10_000, requestTimeout: 30_000, ...agents },
    ...(credential && {
      credentials: { accessKeyId: credential.username, secretAccessKey: credential.password },
    }),
    ...(apiUrl && { endpoint: apiUrl }),
    ...(profile && { profile }),
  };
}

/** As the SDK's clients are, whichever registry they speak to; each says more where its own words are needed. */
export const SHARED_OPTIONS = {
  profile: z.string().optional(),
  createRepositories: z
    .boolean()
    .default(true)
    .meta({ description: 'Whether a repository that a push needs is made where it is missing.' }),
  apiUrl: z.url({ protocol: /^https?$/ }).optional(),
};

/** One call; `send` passes the signal on. @throws OciError NAME_UNKNOWN, MANIFEST_UNKNOWN; the errors of `errors.ts` */
export async function called<T>(
  host: string,
  { signal }: CallOptions,
  send: (options: { readonly abortSignal: AbortSignal }) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  try {
    return await send({ abortSignal: signal });
  } catch (error) {
    signal.throwIfAborted();
    throw meaningOf(error, host);
  }
}

// https://docs.aws.amazon.com/AmazonECR/latest/APIReference/CommonErrors.html and the errors of each operation.
const THROTTLED = new Set(['ThrottlingException', 'TooManyRequestsException', 'Throttling']);
const DENIED = new Set([
  'AccessDeniedException',
  'ExpiredTokenException',
  'IncompleteSignature',
  'InvalidClientTokenId',
  'InvalidSignatureException',
  'MissingAuthenticationTokenException',
  'NotAuthorized',
  'OptInRequired',
  'UnrecognizedClientException',
  // Of the SDK: nobody is configured, or who is cannot be had.
  'CredentialsProviderError',
]);

function meaningOf(error: unknown, host: string): unknown {
  if (!(error instanceof Error)) return error;
  if (error instanceof AddressRefused) {
    return new UpstreamUnavailable(host, 'unreachable', { cause: error });
  }
  const { name, message } = error;
  const status = statusOf(error);
  if (name === 'RepositoryNotFoundException') return new OciError('NAME_UNKNOWN', { message });
  if (name === 'ImageNotFoundException') return new OciError('MANIFEST_UNKNOWN', { message });
  if (THROTTLED.has(name) || status === 429) return new UpstreamThrottled(host, undefined);
  // What it says may have parts of a credential in it, and goes no further than its name.
  const cause = new Error(name, {
    cause: status === undefined ? undefined : new StatusError(status, undefined),
  });
  if (DENIED.has(name)) return new UpstreamDenied(host, status === 401 ? 401 : 403, { cause });
  if (status !== undefined && status < 500) {
    return new UpstreamRefused(host, { status, code: name, words: message });
  }
  const reason = status === undefined ? 'unreachable' : 'server-error';
  return new UpstreamUnavailable(host, name === 'TimeoutError' ? 'timeout' : reason, { cause });
}

/** Undefined where nobody answered. */
function statusOf(error: Error): number | undefined {
  const metadata: unknown = '$metadata' in error ? error.$metadata : undefined;
  const status: unknown =
    typeof metadata === 'object' && metadata !== null && 'httpStatusCode' in metadata
      ? metadata.httpStatusCode
      : undefined;
  return typeof status === 'number' ? status : undefined;
}

/** `AWS:<password>` in base64. @throws UpstreamDenied where it is no such thing */
export function loginIn(token: string | undefined, host: string): Credential {
  const [username = '', ...password] = Buffer.from(token ?? '', 'base64')
    .toString()
    .split(':');
  if (username === '' || password.length === 0) {
    throw new UpstreamDenied(host, 403, { cause: new Error('it gave no token to log in with') });
  }
  return { username, password: password.join(':') };
}
