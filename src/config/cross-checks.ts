/** What one key cannot tell: whether the parts of the configuration fit together. */
import type { z } from 'zod';
import { exposesPrivate } from '../../policies/pull-through.ts';
import { canonicalHost } from '../../policies/upstream-host.ts';
import type { Problem } from './issues.ts';
import { valueAt } from './json-schema.ts';
import type { ProjectConfig } from './projects.ts';
import { WELL_KNOWN_REGISTRIES } from './registries.ts';
import type { ConfigSchema } from './schema.ts';

export type Parsed = z.output<typeof ConfigSchema>;

export function crossCheck(parsed: Parsed, data: unknown): readonly Problem[] {
  const credentialed = new Set(
    Object.keys(parsed.endpoints).filter(
      (name) => valueAt(data, ['endpoints', name, 'credential']) !== undefined,
    ),
  );
  return [
    ...Object.entries(parsed.projects).flatMap(([name, project]) => [
      ...endpointsOf(name, project, Object.keys(parsed.endpoints)),
      ...upstreamOf(name, project),
      ...exposureOf(name, project, credentialed),
      ...plantedName(name, project, parsed),
    ]),
    ...seededExposure(parsed, credentialed),
    ...sharedUpstreams(parsed),
    ...oneDefault(parsed),
    ...mirrors(parsed),
  ];
}

/** What `?ns=` calls the project's upstream; undefined for hosted projects. */
export function upstreamHostOf(name: string, { proxy }: ProjectConfig): string | undefined {
  if (proxy === undefined) return undefined;
  return proxy.upstreamHost ?? (name.includes('.') ? name : undefined);
}

function endpointsOf(
  name: string,
  { proxy }: ProjectConfig,
  known: readonly string[],
): readonly Problem[] {
  return (proxy?.endpoints ?? []).flatMap((endpoint, index) =>
    known.includes(endpoint)
      ? []
      : {
          path: ['projects', name, 'proxy', 'endpoints', index],
          text: `found ${JSON.stringify(endpoint)}; allowed: a name under endpoints (${known.join(', ')})`,
        },
  );
}

function upstreamOf(name: string, project: ProjectConfig): readonly Problem[] {
  if (project.proxy === undefined || upstreamHostOf(name, project) !== undefined) return [];
  const text = `needs upstreamHost, since ${name} is not the name of a host`;
  return [{ path: ['projects', name, 'proxy'], text }];
}

/** What our credential may see, everybody may see then: that has to be said. */
function exposureOf(
  name: string,
  project: ProjectConfig,
  credentialed: ReadonlySet<string>,
): readonly Problem[] {
  const { proxy } = project;
  const endpoint = proxy?.endpoints.find((candidate) => credentialed.has(candidate));
  if (proxy === undefined || endpoint === undefined) return [];
  if (!exposesPrivate({ isPublic: project.public, settings: proxy }, true)) return [];
  const text =
    `is public, and endpoint ${endpoint} has a credential: everybody could pull what that may see. ` +
    'Say which `repositories` are meant, or `exposePrivate: true`, or `public: false`';
  return [{ path: ['projects', name, 'proxy'], text }];
}

/** Without `seed` too: the database may have been given the project before. */
function seededExposure(parsed: Parsed, credentialed: ReadonlySet<string>): readonly Problem[] {
  const declared = declaredUpstreams(parsed);
  return WELL_KNOWN_REGISTRIES.filter(
    ({ name }) => credentialed.has(name) && !declared.includes(name),
  ).map(({ name }) => ({
    path: ['endpoints', name, 'credential'],
    text:
      `the project ${name}, which is there by itself, is public: everybody could pull what the credential may see. ` +
      'Declare the project, and say which `repositories` are meant, or `exposePrivate: true`, or `public: false`',
  }));
}

/** Nobody plants names in front of the upstream that names without a project are for. */
function plantedName(name: string, project: ProjectConfig, parsed: Parsed): readonly Problem[] {
  if (project.proxy !== undefined || !hasDefault(parsed)) return [];
  const isTaken = name === 'library' || upstreamHosts(parsed).includes(canonicalHost(name));
  if (!isTaken) return [];
  const text = 'is a hosted project, but pulls of this name are meant for an upstream';
  return [{ path: ['projects', name], text }];
}

function sharedUpstreams({ projects }: Parsed): readonly Problem[] {
  const owners = new Map<string, string>();
  return Object.entries(projects).flatMap(([name, project]) => {
    const upstream = upstreamHostOf(name, project);
    if (upstream === undefined) return [];
    const host = canonicalHost(upstream);
    const owner = owners.get(host);
    owners.set(host, owner ?? name);
    if (owner === undefined) return [];
    return {
      path: ['projects', name, 'proxy'],
      text: `${owner} is for the upstream ${host} already`,
    };
  });
}

function oneDefault({ projects }: Parsed): readonly Problem[] {
  const defaults = Object.keys(projects).filter((name) => projects[name]?.proxy?.default === true);
  return defaults.slice(1).map((name) => ({
    path: ['projects', name, 'proxy', 'default'],
    text: `found true; ${defaults[0]} is the default already`,
  }));
}

function mirrors(parsed: Parsed): readonly Problem[] {
  const hosts = upstreamHosts(parsed);
  const hidden = Object.entries(parsed.projects)
    .filter(([, project]) => !project.public)
    .flatMap(([name, project]) => upstreamHostOf(name, project) ?? [])
    .map(canonicalHost);
  const taken = [parsed.listen.address];
  return parsed.listen.mirrors.flatMap(({ upstream, address }, index) => {
    const path = ['listen', 'mirrors', index];
    const problems: Problem[] = [];
    if (!hosts.includes(canonicalHost(upstream))) {
      const text = `found ${JSON.stringify(upstream)}; allowed: the upstream of a proxy project (${hosts.join(', ')})`;
      problems.push({ path: [...path, 'upstream'], text });
    }
    if (hidden.includes(canonicalHost(upstream))) {
      const text = `found ${JSON.stringify(upstream)}, whose project is not public: mirrors have no login`;
      problems.push({ path: [...path, 'upstream'], text });
    }
    if (address === undefined) return problems;
    const isTaken = taken.some(
      ({ host, port }) => port !== 0 && host === address.host && port === address.port,
    );
    if (isTaken) problems.push({ path: [...path, 'address'], text: 'is listened on already' });
    taken.push(address);
    return problems;
  });
}

function hasDefault({ seed, projects }: Parsed): boolean {
  return seed || Object.values(projects).some(({ proxy }) => proxy?.default === true);
}

/** Canonical names. */
function upstreamHosts(parsed: Parsed): readonly string[] {
  const known = WELL_KNOWN_REGISTRIES.map(({ name }) => name);
  return [...new Set([...declaredUpstreams(parsed), ...known])];
}

function declaredUpstreams({ projects }: Parsed): readonly string[] {
  return Object.entries(projects)
    .flatMap(([name, project]) => upstreamHostOf(name, project) ?? [])
    .map(canonicalHost);
}
