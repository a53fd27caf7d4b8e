import type { Routes } from '../context.ts';
import type { Projects } from './gate.ts';
import { type Groups, groupRoutes } from './groups.ts';
import { type Members, memberRoutes } from './members.ts';
import { metadataRoutes } from './metadata.ts';
import { permissionRoutes } from './permissions.ts';
import { type ManagedProjects, projectRoutes } from './projects.ts';
import { type Quotas, quotaRoutes } from './quotas.ts';
import { type Robots, robotRoutes } from './robots.ts';
import type { ApiRoute } from './route.ts';
import { apiRouter } from './router.ts';
import { type System, systemRoutes } from './system.ts';
import { type Users, userRoutes } from './users.ts';

/** What the management API needs of the node. */
export interface ApiPorts {
  readonly projects: Projects;
  readonly system: System;
  readonly users: Users;
  readonly groups: Groups;
  readonly members: Members;
  readonly managedProjects: ManagedProjects;
  readonly quotas: Quotas;
  readonly robots: Robots;
}

/** Harbor's management API, `/api/v2.0`, as far as there is something behind it. */
export function apiRoutes(ports: ApiPorts): Routes {
  return apiRouter(operationsOf(ports), ports.projects);
}

/** Every operation that there is, in the contract's words. */
export function operationsOf(ports: ApiPorts): readonly ApiRoute[] {
  return [
    ...systemRoutes(ports.system),
    ...userRoutes(ports.users),
    ...permissionRoutes(ports.projects),
    ...groupRoutes(ports.groups),
    ...memberRoutes(ports.members),
    ...projectRoutes(ports.managedProjects),
    ...metadataRoutes(ports.managedProjects),
    ...quotaRoutes(ports.quotas),
    ...robotRoutes(ports.robots, ports.projects),
  ];
}
