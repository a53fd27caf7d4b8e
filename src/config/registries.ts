import { isDeepStrictEqual } from 'node:util';
import { isMapping, valueAt } from './json-schema.ts';

/** A registry that every node knows by name: an endpoint and a proxy project without any configuration. */
export interface WellKnownRegistry {
  /** Of the endpoint, of the project, and of the upstream: what image names start with. */
  readonly name: string;
  readonly adapter: 'docker-hub' | 'distribution';
  readonly url: string;
}

/** The first is Docker Hub, which names without a project are for. */
export const WELL_KNOWN_REGISTRIES: readonly WellKnownRegistry[] = [
  { name: 'docker.io', adapter: 'docker-hub', url: 'https://registry-1.docker.io' },
  ...[
    'ghcr.io',
    'quay.io',
    'gcr.io',
    'registry.k8s.io',
    'public.ecr.aws',
    'mcr.microsoft.com',
    'registry.gitlab.com',
    'nvcr.io',
    'docker.elastic.co',
  ].map((name) => ({ name, adapter: 'distribution' as const, url: `https://${name}` })),
];

/** The configuration as written, with the endpoints that are there without being declared. */
export function withWellKnownEndpoints(data: unknown): unknown {
  if (!isMapping(data)) return data;
  const declared = data['endpoints'] ?? {};
  if (!isMapping(declared)) return data;
  const known = WELL_KNOWN_REGISTRIES.map((registry) => [registry.name, endpointOf(registry)]);
  return { ...data, endpoints: { ...Object.fromEntries(known), ...declared } };
}

/** Whether nobody said more of the endpoint of that name than what every node knows. */
export function isWellKnownEndpoint(name: string, data: unknown): boolean {
  const registry = WELL_KNOWN_REGISTRIES.find((candidate) => candidate.name === name);
  const written = valueAt(data, ['endpoints', name]);
  return registry !== undefined && isDeepStrictEqual(written, endpointOf(registry));
}

function endpointOf({ adapter, url }: WellKnownRegistry): Record<string, unknown> {
  return { adapter, url };
}
