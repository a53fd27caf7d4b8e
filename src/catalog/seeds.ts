/** What an empty database is given, so that a node is of use without any configuration. */
import type { EndpointDeclaration, ProjectDeclaration } from './declarations.ts';

export interface Seeds {
  readonly endpoints: readonly EndpointDeclaration[];
  readonly projects: readonly ProjectDeclaration[];
}

/** A registry that people know by its host: `ghcr.io`. */
export interface SeededRegistry {
  /** The host that image names start with. */
  readonly name: string;
  readonly adapter: string;
  readonly url: string;
}

/** The hosted project `local`, and for each registry a public proxy project; the first answers names without a project. */
export function seedsFor(registries: readonly SeededRegistry[]): Seeds {
  return {
    endpoints: registries.map(({ name, adapter, url }) => ({ name, adapter, url, settings: {} })),
    projects: [
      {
        name: 'local',
        kind: 'hosted',
        isPublic: true,
        references: 'strict',
        upstreamHost: undefined,
        isDefault: false,
        endpoints: [],
        settings: {},
      },
      ...registries.map(({ name }, index) => ({
        name,
        kind: 'proxy' as const,
        isPublic: true,
        references: 'sparse' as const,
        upstreamHost: name,
        isDefault: index === 0,
        endpoints: [name],
        settings: {},
      })),
    ],
  };
}
