import { AddressRefused } from './address-guard.ts';
import { UpstreamInvalid, UpstreamUnavailable } from './errors.ts';

/**
 * What a failed request means; what has a name of ours already keeps it. The library's own error stays behind: it holds the request, with its URL (which storage
 * services sign) and its headers.
 */
export function failureOf(error: Error, host: string): UpstreamUnavailable | UpstreamInvalid {
  if (error instanceof UpstreamUnavailable || error instanceof UpstreamInvalid) return error;
  const refused = causesOf(error).find((cause) => cause instanceof AddressRefused);
  if (refused !== undefined)
    return new UpstreamUnavailable(host, 'unreachable', { cause: refused });
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  const cause = Object.assign(new Error(error.message), { code });
  if (code.startsWith('HPE_'))
    return new UpstreamInvalid(host, 'it does not speak HTTP', { cause });
  const reason = code === 'ETIMEDOUT' ? 'timeout' : 'unreachable';
  return new UpstreamUnavailable(host, reason, { cause });
}

function causesOf(error: unknown): unknown[] {
  return error instanceof Error ? [error, ...causesOf(error.cause)] : [];
}
