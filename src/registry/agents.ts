import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls';
import { assertPublicLiteral, lookupPublic } from './address-guard.ts';
import type { Endpoint } from './endpoint.ts';

/**
 * For a vendor's own library, whose requests go past ours: as ours they connect to no private address that the endpoint may
 * not have, and trust what it trusts. Names are judged when they are looked up; addresses that `url` is written with, here.
 *
 * @throws AddressRefused
 */
export function guardedAgents(
  url: URL | undefined,
  { ca, allowPrivateAddress }: Pick<Endpoint, 'ca' | 'allowPrivateAddress'>,
): { readonly httpAgent: HttpAgent; readonly httpsAgent: HttpsAgent } {
  if (!allowPrivateAddress && url !== undefined) assertPublicLiteral(url);
  const guard = { keepAlive: true, ...(allowPrivateAddress ? {} : { lookup: lookupPublic }) };
  return {
    httpAgent: new HttpAgent(guard),
    httpsAgent: new HttpsAgent({ ...guard, secureContext: contextOf(ca) }),
  };
}

let trustedByAll: SecureContext | undefined;

/** Kept-alive connections of one endpoint; disposing cuts them. */
export class Agents implements Disposable {
  readonly http = new HttpAgent({ keepAlive: true });
  readonly #ca: string | undefined;
  #https: HttpsAgent | undefined;

  constructor(ca: string | undefined) {
    this.#ca = ca;
  }

  /** Made when first asked for: reading the system's certificates takes some 40 ms (2026-11-21). */
  get https(): HttpsAgent {
    this.#https ??= new HttpsAgent({ keepAlive: true, secureContext: contextOf(this.#ca) });
    return this.#https;
  }

  [Symbol.dispose](): void {
    this.http.destroy();
    this.#https?.destroy();
  }
}

/** One context for all: given as `ca` of each connection, the certificates would be parsed each time. */
function contextOf(ca: string | undefined): SecureContext {
  if (ca !== undefined) return createSecureContext({ ca: [...trusted(), ca] });
  trustedByAll ??= createSecureContext({ ca: trusted() });
  return trustedByAll;
}

/** Node's own list and NODE_EXTRA_CA_CERTS, and what the administrator of this machine trusts. */
function trusted(): string[] {
  return [...new Set([...getCACertificates('default'), ...getCACertificates('system')])];
}
