import { may } from '../../../policies/access.ts';
import { ManagementError } from '../../oci/management-error.ts';
import { parseReference, type Reference } from '../../oci/reference.ts';
import {
  type Accessory,
  type Artifact,
  type ArtifactTag,
  accessoryJson,
  artifactJson,
  artifactPath,
  type Wanted,
} from './artifact-json.ts';
import type { Projects } from './gate.ts';
import type { Listed, ListQuery } from './list-query.ts';
import { repositoryOf } from './repositories.ts';
import {
  type Actor,
  type ApiRequest,
  type ApiRoute,
  DONE,
  type ProjectRequest,
  projectRoute,
} from './route.ts';

/** Where an artifact is, with its project, and as what. */
export interface ArtifactPlace {
  readonly repository: string;
  readonly reference: Reference;
}

/** What these routes need of the node. @throws ManagementError, OciError */
export interface Artifacts {
  list(repository: string, query: ListQuery): Promise<Listed<Artifact>>;
  listOf(project: number, query: ListQuery): Promise<Listed<Artifact>>;
  get(repository: string, reference: Reference): Promise<Artifact>;
  tags(repository: string, reference: Reference, query: ListQuery): Promise<Listed<ArtifactTag>>;
  accessories(
    repository: string,
    reference: Reference,
    query: ListQuery,
  ): Promise<Listed<Accessory>>;
  remove(artifact: ArtifactPlace, actor: Actor): Promise<void>;
  tag(artifact: ArtifactPlace, name: string, actor: Actor): Promise<{ readonly id: number }>;
  untag(artifact: ArtifactPlace, name: string, actor: Actor): Promise<void>;
  copy(from: ArtifactPlace, to: string, actor: Actor): Promise<{ readonly digest: string }>;
}

export interface BuildHistory {
  of(
    repository: string,
    reference: Reference,
    options: { readonly signal: AbortSignal },
  ): Promise<readonly object[]>;
}

const ARTIFACTS = '/projects/{project_name}/repositories/{repository_name}/artifacts';
const ARTIFACT = `${ARTIFACTS}/{reference}` as const;

/** Our names by Harbor's. */
const FIELDS = {
  id: 'id',
  digest: 'digest',
  type: 'type',
  media_type: 'mediaType',
  artifact_type: 'artifactType',
  size: 'size',
  repository_name: 'repository',
  push_time: 'pushedAt',
  pull_time: 'pulledAt',
  tags: 'tags',
  labels: 'labels',
};
const ACCESSORY_FIELDS = { id: 'id', digest: 'digest', creation_time: 'createdAt' };

/** What is in repositories. */
export function artifactRoutes(
  artifacts: Artifacts,
  { projects, buildHistory }: { projects: Projects; buildHistory: BuildHistory },
): readonly ApiRoute[] {
  return [
    listArtifacts(artifacts),
    listArtifactsOfProject(artifacts),
    copyArtifact(artifacts, projects),
    getArtifact(artifacts),
    deleteArtifact(artifacts),
    listAccessories(artifacts),
    addition(buildHistory),
  ];
}

/** The artifact that the path names. @throws OciError DIGEST_INVALID, TAG_INVALID */
export function placeOf(request: ProjectRequest): ArtifactPlace {
  return {
    repository: repositoryOf(request),
    reference: parseReference(request.text('reference')),
  };
}

const listArtifacts = (artifacts: Artifacts): ApiRoute =>
  projectRoute({
    operation: 'listArtifacts',
    method: 'GET',
    path: ARTIFACTS,
    permission: { project: 'artifact:list' },
    answers: [200, 400, 401, 403, 404, 422],
    async handle(request) {
      const { items, total } = await artifacts.list(repositoryOf(request), request.list(FIELDS));
      const wanted = wantedBy(request);
      return { json: items.map((artifact) => artifactJson(artifact, wanted)), total };
    },
  });

const listArtifactsOfProject = (artifacts: Artifacts): ApiRoute =>
  projectRoute({
    operation: 'listArtifactsOfProject',
    method: 'GET',
    path: '/projects/{project_name_or_id}/artifacts',
    permission: { project: 'artifact:list' },
    answers: [200, 400, 401, 403, 404, 422],
    async handle(request) {
      if (request.flag('latest_in_repository') === true) {
        throw new ManagementError('BAD_REQUEST', 'latest_in_repository: this node cannot tell');
      }
      const { items, total } = await artifacts.listOf(request.project.id, request.list(FIELDS));
      const wanted = wantedBy(request);
      return { json: items.map((artifact) => artifactJson(artifact, wanted)), total };
    },
  });

const copyArtifact = (artifacts: Artifacts, projects: Projects): ApiRoute =>
  projectRoute({
    operation: 'CopyArtifact',
    method: 'POST',
    path: ARTIFACTS,
    permission: { project: 'artifact:create' },
    answers: [201, 400, 401, 403, 404, 405],
    async handle(request) {
      const from = sourceIn(request.query('from') ?? '');
      const project = await projects.get(from.repository.split('/', 1)[0] ?? '');
      if (project === undefined || !may(request.caller, 'repository:pull', project)) {
        throw new ManagementError('NOT_FOUND', `${from.repository} not found`);
      }
      const to = repositoryOf(request);
      const { digest } = await artifacts.copy(from, to, request.actor);
      return { location: artifactPath(request.project.name, to, digest) };
    },
  });

const getArtifact = (artifacts: Artifacts): ApiRoute =>
  projectRoute({
    operation: 'getArtifact',
    method: 'GET',
    path: ARTIFACT,
    permission: { project: 'artifact:read' },
    answers: [200, 400, 401, 403, 404],
    async handle(request) {
      const { repository, reference } = placeOf(request);
      const artifact = await artifacts.get(repository, reference);
      return { json: artifactJson(artifact, wantedBy(request)) };
    },
  });

const deleteArtifact = (artifacts: Artifacts): ApiRoute =>
  projectRoute({
    operation: 'deleteArtifact',
    method: 'DELETE',
    path: ARTIFACT,
    permission: { project: 'artifact:delete' },
    answers: [200, 401, 403, 404],
    async handle(request) {
      await artifacts.remove(placeOf(request), request.actor);
      return DONE;
    },
  });

const listAccessories = (artifacts: Artifacts): ApiRoute =>
  projectRoute({
    operation: 'listAccessories',
    method: 'GET',
    path: `${ARTIFACT}/accessories`,
    permission: { project: 'accessory:list' },
    answers: [200, 400, 401, 403, 404],
    async handle(request) {
      const { repository, reference } = placeOf(request);
      const query = request.list(ACCESSORY_FIELDS);
      const { items, total } = await artifacts.accessories(repository, reference, query);
      return { json: items.map((accessory) => accessoryJson(accessory, repository)), total };
    },
  });

const addition = (buildHistory: BuildHistory): ApiRoute =>
  projectRoute({
    operation: 'getAddition',
    method: 'GET',
    path: `${ARTIFACT}/additions/{addition}`,
    permission: { project: 'artifact-addition:read' },
    answers: [200, 400, 401, 403, 404, 422],
    async handle(request) {
      const { repository, reference } = placeOf(request);
      const name = request.text('addition');
      if (name !== 'build_history') {
        throw new ManagementError('BAD_REQUEST', `${name}: artifacts have no such addition here`);
      }
      const { signal } = request;
      return { json: await buildHistory.of(repository, reference, { signal }) };
    },
  });

/** `project/repository:tag` or `project/repository@digest`. @throws ManagementError BAD_REQUEST, OciError */
function sourceIn(text: string): ArtifactPlace {
  const [, repository, reference] = /^(.+?\/.+?)[@:](.+)$/.exec(text) ?? [];
  if (repository === undefined || reference === undefined) {
    throw new ManagementError('BAD_REQUEST', 'from: not of the form project/repository:reference');
  }
  return { repository, reference: parseReference(reference) };
}

function wantedBy({ flag }: ApiRequest): Wanted {
  return {
    tags: flag('with_tag') ?? true,
    labels: flag('with_label') ?? false,
    accessories: flag('with_accessory') ?? false,
  };
}
