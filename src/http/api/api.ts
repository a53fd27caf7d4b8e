import type { Routes } from '../context.ts';
import { type Adapter, adapterRoutes } from './adapters.ts';
import { type Artifacts, artifactRoutes, type BuildHistory } from './artifacts.ts';
import { type AuditLog, auditRoutes } from './audit-logs.ts';
import { configurationRoutes, type Settings } from './configurations.ts';
import type { Projects } from './gate.ts';
import { type Groups, groupRoutes } from './groups.ts';
import { type ImmutableRules, immutableRoutes } from './immutable-rules.ts';
import { type JobService, jobServiceRoutes } from './job-service.ts';
import { type Labels, labelRoutes } from './labels.ts';
import type { ManagedProjects } from './managed-projects.ts';
import { type Members, memberRoutes } from './members.ts';
import { metadataRoutes } from './metadata.ts';
import { documentRoute } from './openapi.ts';
import { type Overview, overviewRoutes } from './overview.ts';
import type { OwnRoute } from './own-route.ts';
import { permissionRoutes } from './permissions.ts';
import { projectRoutes } from './projects.ts';
import { type Quotas, quotaRoutes } from './quotas.ts';
import { type Endpoints, registryRoutes } from './registries.ts';
import { type ReplicationControl, replicationControlRoutes } from './replication-control.ts';
import { type DryRuns, dryRunRoutes } from './replication-dry-runs.ts';
import { type ReplicationEvents, replicationEventRoutes } from './replication-events.ts';
import { type ReplicationLag, replicationLagRoutes } from './replication-lag.ts';
import { type ReplicationPolicies, replicationPolicyRoutes } from './replication-policies.ts';
import { type ReplicationRules, replicationRuleRoutes } from './replication-rules.ts';
import { type Replications, replicationRoutes } from './replications.ts';
import { type ManagedRepositories, repositoryRoutes } from './repositories.ts';
import { type Robots, robotRoutes } from './robots.ts';
import type { ApiRoute } from './route.ts';
import { apiRouter, OWN } from './router.ts';
import { type System, systemRoutes } from './system.ts';
import { type TagHistory, tagHistoryRoutes } from './tag-history.ts';
import { tagRoutes } from './tags.ts';
import { type Users, userRoutes } from './users.ts';
import { type Vendors, vendorRoutes } from './vendors.ts';

/** What the management API needs of the node. */
export interface ApiPorts {
  readonly projects: Projects;
  readonly system: System;
  readonly settings: Settings;
  readonly users: Users;
  readonly groups: Groups;
  readonly members: Members;
  readonly robots: Robots;
  readonly managedProjects: ManagedProjects;
  readonly quotas: Quotas;
  readonly repositories: ManagedRepositories;
  readonly artifacts: Artifacts;
  readonly buildHistory: BuildHistory;
  readonly labels: Labels;
  readonly immutableRules: ImmutableRules;
  readonly endpoints: Endpoints;
  readonly auditLog: AuditLog;
  readonly overview: Overview;
  readonly vendors: Vendors;
  readonly adapters: readonly Adapter[];
  readonly replications: Replications;
  readonly replicationControl: ReplicationControl;
  readonly replicationLag: ReplicationLag;
  readonly replicationEvents: ReplicationEvents;
  readonly replicationRules: ReplicationRules;
  readonly tagHistory: TagHistory;
  readonly dryRuns: DryRuns;
  readonly jobService: JobService;
  readonly replicationPolicies: ReplicationPolicies;
}

/** Harbor's management API, `/api/v2.0`, as far as there is something behind it. */
export function apiRoutes(ports: ApiPorts): Routes {
  return apiRouter(operationsOf(ports), ports.projects);
}

/** The node's own, `/api/portolan/v1`. */
export function ownApiRoutes(ports: ApiPorts): Routes {
  return apiRouter(ownOperationsOf(ports), ports.projects, OWN);
}

export function ownOperationsOf(ports: ApiPorts): readonly OwnRoute[] {
  const routes = [
    ...replicationRuleRoutes(ports.replicationRules),
    ...dryRunRoutes(ports.dryRuns),
    ...replicationControlRoutes(ports.replicationControl),
    ...replicationLagRoutes(ports.replicationLag),
    ...replicationEventRoutes(ports.replicationEvents),
    ...tagHistoryRoutes(ports.tagHistory),
    ...adapterRoutes(ports.adapters),
  ];
  return [...routes, documentRoute(routes)];
}

/** Every operation that there is, in the contract's words. */
export function operationsOf(ports: ApiPorts): readonly ApiRoute[] {
  const { projects, settings, managedProjects, artifacts } = ports;
  const { vendors } = ports.vendors;
  return [
    ...systemRoutes(ports.system, settings),
    ...configurationRoutes(settings),
    ...userRoutes(ports.users),
    ...permissionRoutes(projects),
    ...groupRoutes(ports.groups),
    ...memberRoutes(ports.members),
    ...robotRoutes(ports.robots, ports),
    ...projectRoutes(managedProjects, settings),
    ...metadataRoutes(managedProjects),
    ...quotaRoutes(ports.quotas),
    ...repositoryRoutes(ports.repositories),
    ...artifactRoutes(artifacts, ports),
    ...tagRoutes(artifacts),
    ...labelRoutes(ports.labels),
    ...immutableRoutes(ports.immutableRules),
    ...registryRoutes(ports.endpoints, vendors),
    ...vendorRoutes(ports.vendors),
    ...auditRoutes(ports.auditLog, projects),
    ...overviewRoutes(ports.overview, projects),
    ...replicationRoutes(ports.replications),
    ...jobServiceRoutes(ports.jobService),
    ...replicationPolicyRoutes(ports.replicationPolicies, vendors),
  ];
}
