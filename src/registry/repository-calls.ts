import { OciError, type OciErrorCode } from '../oci/error.ts';
import { isRepositoryName } from '../oci/reference.ts';
import { UpstreamInvalid } from './errors.ts';
import type { CallOptions } from './peer.ts';
import type { Call, RegistryAccess, RegistryCalls, RegistryClient } from './registry-client.ts';

export interface DistributionAccess extends RegistryAccess {
  /** The name under which the registry keeps a repository that people call so; the same without it. */
  readonly canonicalRepository?: (name: string) => string;
}

/** A registry, asked about its repositories. */
export interface RepositoryCalls {
  readonly calls: RegistryCalls;
  /** For errors. */
  readonly host: string;
  /** What reads `path` below the repository, e.g. `tags/list`. @throws OciError NAME_INVALID */
  to(
    repository: string,
    path: string,
    options: CallOptions & Partial<Pick<Call, 'method' | 'headers' | 'lane'>>,
  ): Call;
}

export function repositoryCalls(
  access: DistributionAccess,
  client: RegistryClient,
): RepositoryCalls {
  const { url, canonicalRepository } = access;
  return {
    calls: client.at(access),
    host: url.host,
    to(repository, path, { signal, abandoned, method = 'GET', headers = {}, lane = 'control' }) {
      // It becomes a part of a path, where `..` and `?` would lead elsewhere.
      if (!isRepositoryName(repository)) throw new OciError('NAME_INVALID', { detail: repository });
      const name = canonicalRepository?.(repository) ?? repository;
      const scope = `repository:${name}:pull`;
      const where = { url: new URL(`v2/${name}/${path}`, url), scope };
      return { method, ...where, headers, lane, signal, abandoned };
    },
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
