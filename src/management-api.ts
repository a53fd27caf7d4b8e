/** What the management API needs of the node, wired. Like `node.ts`, of which it is a part, it knows all of it. */
import { createGroups } from './access/groups.ts';
import { createMembers } from './access/members.ts';
import { projectPeople } from './access/project-people.ts';
import { createRobots } from './access/robots.ts';
import type { Users } from './access/users.ts';
import { createProjectAdministration } from './catalog/project-administration.ts';
import type { Projects } from './catalog/projects.ts';
import { createQuotas } from './catalog/quotas.ts';
import type { Database } from './database/database.ts';
import type { ApiPorts } from './http/api/api.ts';
import type { BlobStore } from './storage/blob-store.ts';
import type { Readiness } from './telemetry/readiness.ts';

export interface ManagementApiParts {
  readonly database: Database;
  readonly projects: Projects;
  readonly store: Pick<BlobStore, 'space' | 'stage'>;
  readonly users: Users;
  readonly readiness: () => Promise<Readiness>;
}

export interface ManagementApiOptions {
  /** Of this program. */
  readonly version: string;
  readonly externalUrl: string | undefined;
  /** Hosts that no hosted project may be called. */
  readonly wellKnownHosts: readonly string[];
  /** Whether the configuration file gives the endpoint of that name a credential. */
  readonly hasConfiguredCredential: (endpoint: string) => boolean;
  /** Milliseconds UTC. */
  readonly now: () => number;
}

export function managementApi(parts: ManagementApiParts, options: ManagementApiOptions): ApiPorts {
  const { database, projects, store, users, readiness } = parts;
  const { now } = options;
  return {
    projects,
    users,
    groups: createGroups(database, options),
    members: createMembers(database, options),
    managedProjects: createProjectAdministration({
      ...options,
      database,
      store,
      people: projectPeople,
      defaultLimit: async () => -1,
    }),
    quotas: createQuotas({ database, now }),
    robots: createRobots(database, options),
    system: { ...options, readiness, space: () => store.space() },
  };
}
