import { type Parsed, upstreamHostOf } from './cross-checks.ts';
import { isMapping, valueAt } from './json-schema.ts';
import { isWellKnownEndpoint } from './registries.ts';

export interface ProjectDeclaration {
  readonly name: string;
  readonly kind: 'hosted' | 'proxy';
  readonly isPublic: boolean;
  readonly references: 'strict' | 'sparse';
  readonly upstreamHost: string | undefined;
  readonly isDefault: boolean;
  /** Names of endpoints, in the order in which they are asked. */
  readonly endpoints: readonly string[];
  /** As written, durations and sizes as text: JSON, parsed where it is used. */
  readonly settings: Readonly<Record<string, unknown>>;
}

export interface EndpointDeclaration {
  readonly name: string;
  readonly adapter: string;
  readonly url: string;
  /** As written, without the credential. */
  readonly settings: Readonly<Record<string, unknown>>;
}

export interface PolicyDeclaration {
  readonly name: string;
  /** As written. */
  readonly written: unknown;
}

export interface Declarations {
  readonly projects: readonly ProjectDeclaration[];
  /** Only those that the file names, not the well-known ones. */
  readonly endpoints: readonly EndpointDeclaration[];
  readonly replication: readonly PolicyDeclaration[];
}

/** `data` is what was parsed, before its durations and sizes became numbers. */
export function declarationsOf(parsed: Parsed, data: unknown): Declarations {
  return {
    projects: Object.entries(parsed.projects).map(([name, project]) => ({
      name,
      kind: project.proxy === undefined ? 'hosted' : 'proxy',
      isPublic: project.public,
      references: project.proxy === undefined ? (project.references ?? 'strict') : 'sparse',
      upstreamHost: upstreamHostOf(name, project),
      isDefault: project.proxy?.default ?? false,
      endpoints: project.proxy?.endpoints ?? [],
      settings: without(valueAt(data, ['projects', name, 'proxy']), [
        'endpoints',
        'upstreamHost',
        'default',
      ]),
    })),
    endpoints: Object.entries(parsed.endpoints)
      .filter(([name]) => !isWellKnownEndpoint(name, data))
      .map(([name, { adapter, url }]) => ({
        name,
        adapter,
        url: url.href,
        settings: without(valueAt(data, ['endpoints', name]), ['adapter', 'url', 'credential']),
      })),
    replication: Object.keys(parsed.policies.replication).map((name) => ({
      name,
      written: valueAt(data, ['policies', 'replication', name]),
    })),
  };
}

function without(written: unknown, keys: readonly string[]): Record<string, unknown> {
  if (!isMapping(written)) return {};
  return Object.fromEntries(Object.entries(written).filter(([key]) => !keys.includes(key)));
}
