/** The remote registries of a node: what its configuration declares and what its database has, ready to be asked. */
import { readFile } from 'node:fs/promises';
import { EndpointConfig } from '../adapters/index.ts';
import type { Secrets } from './access/secrets.ts';
import { createMemoryCache } from './cache/cache.ts';
import {
  credentialOf,
  type EndpointCredential,
  type EndpointDraft,
} from './catalog/endpoint-drafts.ts';
import type { ManagementOptions } from './catalog/management.ts';
import type { Endpoint, Projects } from './catalog/projects.ts';
import type { Config } from './config/load.ts';
import { createEndpoints, type Endpoints } from './proxy/endpoints.ts';
import type { LeftUploads } from './registry/left-uploads.ts';
import { createRegistryClient } from './registry/registry-client.ts';
import { Link } from './transfer/shaping.ts';

export interface NodeEndpoints extends Endpoints {
  /** What the endpoint's vendor makes of a repository's name; undefined where there is no such endpoint. */
  naming(endpoint: string): Promise<((path: string) => string) | undefined>;
  /** What managing them takes. */
  readonly management: EndpointKnowledge;
}

type EndpointKnowledge = Pick<
  ManagementOptions,
  'hasConfiguredCredential' | 'allowPrivateAddress' | 'problemWith' | 'ping'
>;

export interface NodeEndpointsOptions {
  readonly projects: Pick<Projects, 'endpoints'>;
  /** Opens the credentials that the API was given. */
  readonly secrets: Pick<Secrets, 'open'>;
  readonly leftUploads: LeftUploads;
  readonly config: Config;
  /** Of this program, as upstreams are told. */
  readonly version: string;
  /** Milliseconds UTC. */
  readonly now: () => number;
}

/** Connects to none. @throws where a declared one names a file that cannot be read */
export async function openEndpoints(
  opened: AsyncDisposableStack,
  { projects, secrets, leftUploads, config, version, now }: NodeEndpointsOptions,
): Promise<NodeEndpoints> {
  const limits = { silenceMs: config.fills.silence, manifestBytes: config.limits.manifestSize };
  const userAgent = `portolan/${version}`;
  const newClient = () =>
    createRegistryClient({ userAgent, cache: createMemoryCache(), leftUploads, now, limits });
  const client = opened.use(newClient());
  const known = () => projects.endpoints();
  const endpoints = createEndpoints({
    known,
    async connect(endpoint) {
      const { name, ca } = endpoint;
      const credential = credentialOf(endpoint, secrets);
      const { caFile, ...asked } = configOf(endpoint, config, { credential });
      const trusted = caFile === undefined ? ca : await readFile(caFile, 'utf8');
      const peer = asked.connect({ name, ca: trusted }, client);
      const { url, canonicalRepository, leastNameParts } = asked;
      const link = new Link(asked.bandwidth, { holdsClients: true });
      return { peer, link, host: url.host, canonicalRepository, leastNameParts };
    },
  });
  for (const { name, declared } of await known()) if (declared) await endpoints.find(name);
  return {
    ...endpoints,
    async naming(name) {
      const endpoint = (await known()).find((each) => each.name === name);
      return endpoint && configOf(endpoint, config).canonicalRepository;
    },
    management: {
      hasConfiguredCredential: (name) => config.endpoints[name]?.credential !== undefined,
      allowPrivateAddress: config.limits.privateEndpoints,
      problemWith,
      async ping(draft, options) {
        const { name, url, ca } = draft;
        const declared = (await known()).find((each) => each.declared && each.name === name);
        // Whose credential is in the file.
        if (declared?.url === url) return (await endpoints.find(name))?.peer.ping(options);
        // What a guess teaches must not stay with the endpoint of that name.
        using guess = newClient();
        await EndpointConfig.parse(writtenAs(draft)).connect({ name, ca }, guess).ping(options);
      },
    },
  };
}

/** What is wrong with it, for people. */
export function problemWith(draft: EndpointDraft): string | undefined {
  const [issue] = EndpointConfig.safeParse(writtenAs(draft)).error?.issues ?? [];
  return issue && `${issue.path.join('.')}: ${issue.message}`;
}

/** As the configuration file would have it. */
function writtenAs({ adapter, url, settings, credential }: EndpointDraft): object {
  return { adapter, url, ...settings, ...(credential === undefined ? {} : { credential }) };
}

/** The file says everything of what it declares, and the database of what it does not. */
function configOf(
  { name, adapter, url, declared, settings }: Endpoint,
  { endpoints }: Config,
  more: { readonly credential?: EndpointCredential | undefined } = {},
) {
  const configured = declared ? endpoints[name] : undefined;
  return configured ?? EndpointConfig.parse(Object.assign({ adapter, url }, settings, more));
}
