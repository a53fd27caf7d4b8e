import { lookup } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import ipaddr from 'ipaddr.js';

/** The name leads into a network that the endpoint has no business in. */
export class AddressRefused extends Error {
  override readonly name = 'AddressRefused';
  readonly code = 'EADDRREFUSED';

  constructor(host: string, address: string) {
    super(
      `${host} is ${address}, which is not a public address; the endpoint does not say allowPrivateAddress`,
    );
  }
}

// Every Azure machine's own platform, at a public address (learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16).
const AZURE_PLATFORM = '168.63.129.16';

/** Whether it is of the public internet: not private, loopback, link-local, multicast, or reserved. */
export function isPublicAddress(address: string): boolean {
  if (!ipaddr.isValid(address)) return false;
  const parsed = ipaddr.process(address);
  if (parsed instanceof ipaddr.IPv6 && parsed.range() === 'rfc6052') {
    // NAT64: what counts is the IPv4 address in the last 32 bits (RFC 6052 section 2.2, for the well-known prefix).
    return isPublicAddress(parsed.toByteArray().slice(-4).join('.'));
  }
  if (parsed.toString() === AZURE_PLATFORM) return false;
  return parsed.range() === 'unicast' && (parsed instanceof ipaddr.IPv4 || isGlobal(parsed));
}

/** What is assigned so far; `::7f00:1` and the like are old ways to write IPv4 addresses (RFC 4291 section 2.5.5.1). */
function isGlobal(address: ipaddr.IPv6): boolean {
  return address.match(ipaddr.IPv6.parseCIDR('2000::/3'));
}

/** Addresses written as such are never looked up, so they are judged here. @throws AddressRefused */
export function assertPublicLiteral(url: URL): void {
  const host = hostOf(url);
  if (isClosedLiteral(host)) throw new AddressRefused(url.host, host);
}

/** Whether it is a URL that itself says `localhost` or an address that is not public; a mere name may lead anywhere. */
export function isNearby(url: string): boolean {
  if (!URL.canParse(url)) return false;
  const host = hostOf(new URL(url));
  return host === 'localhost' || isClosedLiteral(host);
}

/** Without the brackets of IPv6. */
function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '');
}

function isClosedLiteral(host: string): boolean {
  return isIP(host) !== 0 && !isPublicAddress(host);
}

/**
 * As `dns.lookup`, but finds public addresses only. Given to the socket itself, so that what was judged is what is
 * connected to, whatever the name resolves to a moment later.
 */
export const lookupPublic: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, { ...options, all: true }, (error, addresses) => {
    if (error !== null) return callback(error, '');
    const open = addresses.filter(({ address }) => isPublicAddress(address));
    const [first] = open;
    if (first === undefined) {
      return callback(new AddressRefused(hostname, addresses[0]?.address ?? 'unknown'), '');
    }
    return options.all === true
      ? callback(null, open)
      : callback(null, first.address, first.family);
  });
};
