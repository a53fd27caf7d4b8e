import { OciError, type OciErrorCode } from '../oci/error.ts';
import { isRepositoryName } from '../oci/reference.ts';
import { errorIn } from './error-answer.ts';
import { UpstreamInvalid, UpstreamRefused, UpstreamThrottled } from './errors.ts';
import type { CallOptions } from './peer.ts';
import type {
  Call,
  RegistryAccess,
  RegistryCalls,
  RegistryClient,
  WholeAnswer,
} from './registry-client.ts';

export interface DistributionAccess extends RegistryAccess {
  /** The name under which the registry keeps a repository that people call so; the same without it. */
  readonly canonicalRepository?: (name: string) => string;
}

type Asking = CallOptions &
  Partial<Pick<Call, 'method' | 'headers' | 'lane' | 'body' | 'isOptional'>> & {
    /** What it does in the repository, in the token specification's words; `pull` by default. */
    readonly actions?: string;
    /** Another repository that is read in the same request. */
    readonly from?: string;
  };

/** A registry, asked about its repositories. */
export interface RepositoryCalls {
  readonly calls: RegistryCalls;
  /** For errors. */
  readonly host: string;
  /** What asks for `path` below the repository, e.g. `tags/list`. @throws OciError NAME_INVALID */
  to(repository: string, path: string, options: Asking): Call;
  /** What asks for another URL that the registry gave for the repository. @throws OciError NAME_INVALID */
  at(repository: string, url: URL, options: Asking): Call;
  /** The name under which the registry keeps it. @throws OciError NAME_INVALID */
  nameOf(repository: string): string;
}

export function repositoryCalls(
  access: DistributionAccess,
  client: RegistryClient,
): RepositoryCalls {
  const { url: base, canonicalRepository } = access;
  const nameOf = (repository: string): string => {
    // It becomes a part of a path, where `..` and `?` would lead elsewhere.
    if (!isRepositoryName(repository)) throw new OciError('NAME_INVALID', { detail: repository });
    return canonicalRepository?.(repository) ?? repository;
  };
  const at = (repository: string, url: URL, options: Asking): Call => {
    const { actions = 'pull', from, method = 'GET', headers = {}, lane = 'control' } = options;
    const scopes = [`repository:${nameOf(repository)}:${actions}`];
    if (from !== undefined) scopes.push(`repository:${nameOf(from)}:pull`);
    const { signal, abandoned, body, isOptional, isReplication } = options;
    const scope = scopes.join(' ');
    const asked = { method, url, scope, headers, lane, body };
    return { ...asked, isOptional, isReplication, signal, abandoned };
  };
  return {
    calls: client.at(access),
    host: base.host,
    nameOf,
    at,
    to: (repository, path, options) =>
      at(repository, new URL(`v2/${nameOf(repository)}/${path}`, base), options),
  };
}

/** What an answer means that is neither good nor an error of `errors.ts`; `unknown` is what 404 says. */
export function refusal(
  { method, url }: Call,
  status: number,
  unknown: OciErrorCode,
): OciError | UpstreamInvalid {
  if (status === 404 || status === 410) return new OciError(unknown);
  return new UpstreamInvalid(url.host, `${status} to ${method} ${url.pathname}`);
}

/** The same of a request that changes something, in the registry's own words. */
export function writeRefusal(
  call: Call,
  { status, bytes }: Pick<WholeAnswer, 'status' | 'bytes'>,
  unknown: OciErrorCode,
): OciError | UpstreamInvalid | UpstreamRefused | UpstreamThrottled {
  const { host } = call.url;
  const { code, words } = errorIn(bytes) ?? {};
  const said = words === undefined || words === '' ? {} : { message: words };
  if (status === 404 || status === 410) return new OciError(unknown, said);
  if (status === 405 || code === 'UNSUPPORTED') return new OciError('UNSUPPORTED', said);
  // Said with another status than 429 by some.
  if (code === 'TOOMANYREQUESTS') return new UpstreamThrottled(host, undefined);
  if (status < 400) return refusal(call, status, unknown);
  return new UpstreamRefused(host, { status, code, words });
}
