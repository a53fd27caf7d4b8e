import {
  type ArtifactAdministration,
  createArtifactAdministration,
} from './artifact-administration.ts';
import { type ArtifactLabels, createArtifactLabels } from './artifact-labels.ts';
import { type Artifacts, createArtifacts } from './artifacts.ts';
import {
  type BuildHistory,
  type BuildHistoryOptions,
  createBuildHistory,
} from './build-history.ts';
import {
  createEndpointAdministration,
  type EndpointAdministration,
  type EndpointAdministrationOptions,
} from './endpoint-administration.ts';
import { createImmutableRules, type ImmutableRules } from './immutable-rules.ts';
import { createLabels, type Labels } from './labels.ts';
import {
  createProjectAdministration,
  type ProjectAdministration,
  type ProjectAdministrationOptions,
} from './project-administration.ts';
import { createQuotas, type Quotas } from './quotas.ts';
import {
  createRepositoryAdministration,
  type RepositoryAdministration,
} from './repository-administration.ts';
import { createSettings, type NodeSettings } from './settings.ts';
import { createStatistics, type Statistics } from './statistics.ts';
import { createTagHistory, type TagHistory } from './tag-history.ts';

export type ManagementOptions = Omit<ProjectAdministrationOptions, 'defaultLimit'> &
  EndpointAdministrationOptions &
  BuildHistoryOptions;

/** What people manage of the catalog, beside pushing to it and pulling from it. Each change is written down with it. */
export interface Management {
  readonly projects: ProjectAdministration;
  readonly endpoints: EndpointAdministration;
  readonly repositories: RepositoryAdministration;
  readonly artifacts: Artifacts & ArtifactAdministration;
  readonly buildHistory: BuildHistory;
  readonly labels: Labels & ArtifactLabels;
  readonly immutableRules: ImmutableRules;
  readonly quotas: Quotas;
  readonly settings: NodeSettings;
  readonly statistics: Statistics;
  readonly tagHistory: TagHistory;
}

export function createManagement(options: ManagementOptions): Management {
  const settings = createSettings(options);
  const defaultLimit = async () => (await settings.current()).storagePerProject;
  return {
    projects: createProjectAdministration({ ...options, defaultLimit }),
    endpoints: createEndpointAdministration(options),
    repositories: createRepositoryAdministration(options),
    artifacts: { ...createArtifacts(options), ...createArtifactAdministration(options) },
    buildHistory: createBuildHistory(options),
    labels: { ...createLabels(options), ...createArtifactLabels(options) },
    immutableRules: createImmutableRules(options),
    quotas: createQuotas(options),
    settings,
    statistics: createStatistics(options),
    tagHistory: createTagHistory(options),
  };
}
