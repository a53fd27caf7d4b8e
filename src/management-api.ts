/** What the management API needs of the node, wired. Like `node.ts`, of which it is a part, it knows all of it. */
import { VENDORS } from '../adapters/index.ts';
import { createGroups } from './access/groups.ts';
import { createMembers } from './access/members.ts';
import { projectPeople } from './access/project-people.ts';
import { createRobots } from './access/robots.ts';
import type { Users } from './access/users.ts';
import { createAudit } from './audit/audit.ts';
import { EVENT_TYPES } from './audit/events.ts';
import { createManagement, type Management, type ManagementOptions } from './catalog/management.ts';
import type { Projects } from './catalog/projects.ts';
import type { Database } from './database/database.ts';
import { EVERYTHING } from './database/listing.ts';
import { dryRunPorts } from './dry-run-ports.ts';
import type { ApiPorts } from './http/api/api.ts';
import { jobServicePorts } from './job-service-ports.ts';
import { ManagementError } from './oci/management-error.ts';
import { policyPorts, rulePorts } from './policy-ports.ts';
import type { Replicating } from './replicating.ts';
import { replicationControlPorts } from './replication-control-ports.ts';
import { replicationEventPorts } from './replication-event-ports.ts';
import { replicationLagPorts } from './replication-lag-ports.ts';
import { replicationPorts } from './replication-ports.ts';
import type { BlobStore } from './storage/blob-store.ts';
import type { Readiness } from './telemetry/readiness.ts';

export interface ManagementApiParts {
  readonly database: Database;
  readonly projects: Projects;
  readonly store: Pick<BlobStore, 'space' | 'stage'>;
  readonly users: Users;
  readonly access: Pick<ApiPorts['users'], 'signIn'>;
  readonly readiness: () => Promise<Readiness>;
  readonly replicating: Replicating;
}

export interface ManagementApiOptions
  extends Omit<ManagementOptions, 'database' | 'store' | 'people'> {
  /** Of this program. */
  readonly version: string;
  readonly externalUrl: string | undefined;
}

export function managementApi(parts: ManagementApiParts, options: ManagementApiOptions): ApiPorts {
  const { database, projects, store, users, access, readiness, replicating } = parts;
  const { statistics: overview, ...management } = createManagement({
    ...options,
    database,
    store,
    people: projectPeople,
  });
  const replications = replicationPorts(replicating, options.now);
  return {
    ...management,
    overview,
    projects,
    managedProjects: management.projects,
    users: {
      ...users,
      signIn: (name, password, address) => access.signIn(name, password, address),
    },
    groups: createGroups(database, options),
    members: createMembers(database, options),
    robots: createRobots(database, options),
    auditLog: { ...createAudit(database), eventTypes: EVENT_TYPES },
    vendors: vendorPorts(management),
    adapters: VENDORS,
    replications,
    replicationRules: rulePorts(replicating.policies, replications),
    replicationControl: replicationControlPorts(replicating, options.now),
    replicationLag: replicationLagPorts(replicating, options.now),
    replicationEvents: replicationEventPorts(replicating),
    dryRuns: dryRunPorts(replicating),
    jobService: jobServicePorts(replicating, options.now),
    replicationPolicies: policyPorts(replicating.policies, management.endpoints),
    system: { ...options, readiness, space: () => store.space() },
  };
}

function vendorPorts({
  endpoints,
  labels,
}: Pick<Management, 'endpoints' | 'labels'>): ApiPorts['vendors'] {
  return {
    vendors: VENDORS,
    async vendorOf(registry) {
      const { name, adapter } = await endpoints.get(registry);
      const vendor = VENDORS.find((each) => each.name === adapter);
      if (vendor !== undefined) return vendor;
      throw new ManagementError('NOT_FOUND', `registry ${name} is of a vendor that is not here`);
    },
    labels: async () => (await labels.list(undefined, EVERYTHING)).items.map(({ name }) => name),
  };
}
