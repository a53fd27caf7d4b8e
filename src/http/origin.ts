import type { IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';

/** Where a request comes from, and by what name. */
export interface Origin {
  /** Of the client, or of the first proxy that is not trusted. */
  readonly address: string;
  /** As the client addressed us: host, or host and port, in lower case; empty for what cannot be one. */
  readonly host: string;
  /** Whether the client speaks TLS, to us or to the trusted proxy in front. */
  readonly isSecure: boolean;
  /** The upstream that this listener or host stands in for: no challenge there, and credentials are none of ours. */
  readonly mirror: string | undefined;
}

export interface OriginOptions {
  /** The upstream that every request of the listener is for. */
  readonly mirror?: string | undefined;
  /** Upstream by host name (with or without a port), for names that stand in for one. */
  readonly mirrorHosts?: Readonly<Record<string, string>>;
  /** Addresses and CIDR blocks whose `X-Forwarded-For`, `-Proto` and `-Host` are believed. */
  readonly trustedProxies?: readonly string[];
}

// RFC 3986 section 3.2.2, as far as registries have such names; what else stands in `Host` is not repeated to anyone.
const HOST = /^(?:[a-z0-9._-]{1,253}|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?$/;

/** @throws RangeError when an entry of `trustedProxies` is no address and no block */
export function createOrigins({
  mirror,
  mirrorHosts = {},
  trustedProxies = [],
}: OriginOptions): (request: IncomingMessage) => Origin {
  const isTrusted = trustOf(trustedProxies);
  const mirrors = new Map(
    Object.entries(mirrorHosts).map(([host, upstream]) => [host.toLowerCase(), upstream]),
  );

  function mirrorOf(host: string): string | undefined {
    if (mirror !== undefined || mirrors.size === 0) return mirror;
    return mirrors.get(host) ?? mirrors.get(host.replace(/:[0-9]+$/, ''));
  }

  return (request) => {
    const peer = plainAddress(request.socket.remoteAddress ?? '');
    const { headers } = request;
    const isBehindProxy = isTrusted !== undefined && isTrusted(peer);
    const host = hostOf((isBehindProxy && first(headers['x-forwarded-host'])) || headers.host);
    return {
      address: isBehindProxy ? clientOf(headers['x-forwarded-for'], peer, isTrusted) : peer,
      host,
      isSecure: isBehindProxy ? isForwardedSecure(request) : isEncrypted(request),
      mirror: mirrorOf(host),
    };
  };
}

function trustOf(entries: readonly string[]): ((address: string) => boolean) | undefined {
  if (entries.length === 0) return undefined;
  const trusted = new BlockList();
  for (const entry of entries) {
    const [address = '', bits] = entry.split('/', 2);
    const family = isIP(address);
    if (family === 0) throw new RangeError(`not an address or a CIDR block: ${entry}`);
    const type = family === 6 ? 'ipv6' : 'ipv4';
    if (bits === undefined) trusted.addAddress(address, type);
    else trusted.addSubnet(address, Number(bits), type);
  }
  return (address) => {
    const family = isIP(address);
    return family !== 0 && trusted.check(address, family === 6 ? 'ipv6' : 'ipv4');
  };
}

/** The rightmost address that no trusted proxy has: everything left of it is only the client's word. */
function clientOf(
  forwarded: string | string[] | undefined,
  peer: string,
  isTrusted: (address: string) => boolean,
): string {
  let client = peer;
  for (const hop of String(forwarded ?? '')
    .split(',')
    .toReversed()) {
    const address = plainAddress(hop.trim());
    if (isIP(address) === 0) return client;
    client = address;
    if (!isTrusted(address)) return client;
  }
  return client;
}

function hostOf(text: string | undefined): string {
  const host = (text ?? '').toLowerCase();
  return HOST.test(host) && URL.canParse(`http://${host}`) ? host : '';
}

function isForwardedSecure(request: IncomingMessage): boolean {
  const scheme = first(request.headers['x-forwarded-proto']);
  return scheme === undefined ? isEncrypted(request) : scheme === 'https';
}

function isEncrypted({ socket }: IncomingMessage): boolean {
  return 'encrypted' in socket;
}

function first(value: string | string[] | undefined): string | undefined {
  return value === undefined ? undefined : String(value).split(',', 1)[0]?.trim().toLowerCase();
}

/** A dual-stack socket shows IPv4 peers as `::ffff:192.0.2.1`. */
function plainAddress(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
}
