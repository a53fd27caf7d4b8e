/** What the management API needs of the node, wired. Like `node.ts`, of which it is a part, it knows all of it. */
import { createGroups } from './access/groups.ts';
import { createMembers } from './access/members.ts';
import type { Users } from './access/users.ts';
import type { Projects } from './catalog/projects.ts';
import type { Database } from './database/database.ts';
import type { ApiPorts } from './http/api/api.ts';
import type { BlobStore } from './storage/blob-store.ts';
import type { Readiness } from './telemetry/readiness.ts';

export interface ManagementApiParts {
  readonly database: Database;
  readonly projects: Projects;
  readonly store: Pick<BlobStore, 'space'>;
  readonly users: Users;
  readonly readiness: () => Promise<Readiness>;
}

export interface ManagementApiOptions {
  /** Of this program. */
  readonly version: string;
  readonly externalUrl: string | undefined;
  /** Milliseconds UTC. */
  readonly now: () => number;
}

export function managementApi(parts: ManagementApiParts, options: ManagementApiOptions): ApiPorts {
  const { database, projects, store, users, readiness } = parts;
  return {
    projects,
    users,
    groups: createGroups(database, options),
    members: createMembers(database, options),
    system: { ...options, readiness, space: () => store.space() },
  };
}
