import {
  createEndpointAdministration,
  type EndpointAdministration,
  type EndpointAdministrationOptions,
} from './endpoint-administration.ts';
import { createImmutableRules, type ImmutableRules } from './immutable-rules.ts';
import {
  createProjectAdministration,
  type ProjectAdministration,
  type ProjectAdministrationOptions,
} from './project-administration.ts';
import { createQuotas, type Quotas } from './quotas.ts';

export type ManagementOptions = ProjectAdministrationOptions & EndpointAdministrationOptions;

/** What people manage of the catalog, beside pushing to it and pulling from it. Each change is written down with it. */
export interface Management {
  readonly projects: ProjectAdministration;
  readonly endpoints: EndpointAdministration;
  readonly immutableRules: ImmutableRules;
  readonly quotas: Quotas;
}

export function createManagement(options: ManagementOptions): Management {
  return {
    projects: createProjectAdministration(options),
    endpoints: createEndpointAdministration(options),
    immutableRules: createImmutableRules(options),
    quotas: createQuotas(options),
  };
}
