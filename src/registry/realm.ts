import { getDomain } from 'tldts';

/** A registry, as far as it matters whom its tokens may come from. */
export interface RealmRules {
  /** The registry's own URL. */
  readonly url: URL;
  /** Other hosts that the adapter or the operator names: `auth.example`, or `*.example` for all below it. */
  readonly tokenHosts: readonly string[];
}

/**
 * Where tokens come from, if it belongs to the registry: the same host, a host of the same registrable domain
 * (`auth.docker.io` for `registry-1.docker.io`), or one that was named. A realm is the registry's word; without this, a
 * hostile one would have our password sent anywhere.
 *
 * @throws Error with the reason
 */
export function trustedRealm(realm: string | undefined, { url, tokenHosts }: RealmRules): URL {
  if (realm === undefined || !URL.canParse(realm, url)) {
    throw new Error('its challenge names no token realm');
  }
  const parsed = new URL(realm, url);
  const isWeaker = url.protocol === 'https:' && parsed.protocol !== 'https:';
  if (isWeaker || !/^https?:$/.test(parsed.protocol)) {
    throw new Error(`its token realm is ${parsed.protocol}//${parsed.host}, not https`);
  }
  parsed.username = '';
  parsed.password = '';
  parsed.hash = '';
  const host = parsed.hostname;
  if (host === url.hostname || isSameDomain(host, url.hostname)) return parsed;
  if (tokenHosts.some((allowed) => isNamed(host, allowed))) return parsed;
  throw new Error(
    `its token realm is on ${host}, which is not the registry's; if it is meant, name it in options.tokenHosts`,
  );
}

function isSameDomain(one: string, other: string): boolean {
  // Private suffixes count: two customers of one hosting company are strangers.
  const domain = getDomain(one, { allowPrivateDomains: true });
  return domain !== null && domain === getDomain(other, { allowPrivateDomains: true });
}

function isNamed(host: string, allowed: string): boolean {
  return allowed.startsWith('*.') ? host.endsWith(allowed.slice(1)) : host === allowed;
}
