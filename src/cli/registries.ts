/** Registries as people write them on a command line. */
import { isIP } from 'node:net';
import { EndpointConfig } from '../../adapters/index.ts';
import type { EndpointDeclaration } from '../config/declarations.ts';
import type { Config } from '../config/load.ts';
import { WELL_KNOWN_REGISTRIES } from '../config/registries.ts';
import { dockerLogin } from './docker-credentials.ts';
import { UsageError } from './usage.ts';

export interface NamedRegistry {
  /** As policies call it. */
  readonly name: string;
  readonly endpoint: EndpointConfig;
  readonly declaration: EndpointDeclaration;
  /** What came behind the address. */
  readonly namespace: string | undefined;
}

export interface RegistriesOptions {
  /** Whose endpoints may be named. */
  readonly config: Pick<Config, 'endpoints' | 'declarations'>;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * An endpoint of the configuration; or an address, whose login is docker's or podman's: `docker.io`,
 * `registry.example:5000/team`, `http://10.0.0.7:5000`.
 *
 * @throws UsageError, CommandFailed where a login cannot be used
 */
export async function registryNamed(
  text: string,
  { config, env }: RegistriesOptions,
): Promise<NamedRegistry> {
  const declared = config.declarations.endpoints.find(({ name }) => name === text);
  const endpoint = config.endpoints[text];
  if (declared !== undefined && endpoint !== undefined) {
    return { name: text, endpoint, declaration: declared, namespace: undefined };
  }
  if (text === 'local') {
    throw new UsageError(
      'local means nothing here: name the node by its address, as it is a registry',
    );
  }
  const { url, namespace } = addressIn(text);
  const name = url.host;
  const known = WELL_KNOWN_REGISTRIES.find((registry) => registry.name === name);
  const credential = await dockerLogin(name, env);
  const { adapter = 'distribution', url: address = url.href } = known ?? {};
  const settings = { allowPrivateAddress: true };
  const login = credential === undefined ? {} : { credential };
  const written = { adapter, url: address, ...settings, ...login };
  return {
    name,
    endpoint: EndpointConfig.parse(written),
    declaration: { name, adapter, url: address, settings },
    namespace,
  };
}

function addressIn(text: string): { readonly url: URL; readonly namespace: string | undefined } {
  const hasScheme = /^https?:\/\//.test(text);
  const host = text.replace(/^\[|\]?(?::\d+)?(?:\/.*)?$/g, '');
  const scheme = isThisMachine(host) ? 'http' : 'https';
  const url = URL.parse(hasScheme ? text : `${scheme}://${text}`);
  if (url === null || url.username !== '' || url.password !== '' || url.search !== '') {
    // Without what was given: it may have a password in it.
    throw new UsageError('a registry is an endpoint of --config, or host[:port][/namespace]');
  }
  const namespace = url.pathname.replaceAll(/^\/|\/$/g, '');
  url.pathname = '/';
  return { url, namespace: namespace === '' ? undefined : namespace };
}

/** As docker, podman and the others take it: no certificate is of this machine itself. */
function isThisMachine(host: string): boolean {
  return host === 'localhost' || (isIP(host) === 4 && host.startsWith('127.')) || host === '::1';
}
