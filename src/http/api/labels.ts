import { z } from 'zod';
import { ManagementError } from '../../oci/management-error.ts';
import { type ArtifactPlace, placeOf } from './artifacts.ts';
import { type Label, labelJson } from './label-json.ts';
import type { Listed, ListQuery } from './list-query.ts';
import {
  type Actor,
  type ApiRequest,
  type ApiRoute,
  DONE,
  isId,
  projectRoute,
  scopedRoute,
} from './route.ts';

type Content = Pick<Label, 'name' | 'description' | 'color'>;

/** What these routes need of the node. @throws ManagementError, OciError */
export interface Labels {
  list(project: number | undefined, query: ListQuery): Promise<Listed<Label>>;
  get(id: number): Promise<Label>;
  create(
    label: Content & { readonly project: number | undefined },
    actor: Actor,
  ): Promise<{ readonly id: number }>;
  update(id: number, label: Content, actor: Actor): Promise<void>;
  remove(id: number, actor: Actor): Promise<void>;
  attach(artifact: ArtifactPlace, id: number, actor: Actor): Promise<void>;
  detach(artifact: ArtifactPlace, id: number, actor: Actor): Promise<void>;
}

const ARTIFACT_LABELS =
  '/projects/{project_name}/repositories/{repository_name}/artifacts/{reference}/labels';

const Body = z.object({
  name: z.string(),
  description: z.string().default(''),
  color: z.string().default(''),
});
const NewLabel = Body.extend({
  scope: z.enum(['g', 'p']),
  project_id: z.int().default(0),
});

const FIELDS = { id: 'id', name: 'name', creation_time: 'createdAt', update_time: 'updatedAt' };

/** Labels of the node and of projects, and those on artifacts. */
export function labelRoutes(labels: Labels): readonly ApiRoute[] {
  return [
    listLabels(labels),
    createLabel(labels),
    getLabel(labels),
    updateLabel(labels),
    deleteLabel(labels),
    addLabel(labels),
    removeLabel(labels),
  ];
}

const listLabels = (labels: Labels): ApiRoute =>
  scopedRoute({
    operation: 'ListLabels',
    method: 'GET',
    path: '/labels',
    permission: { either: 'label:list', openOnNode: true },
    answers: [200, 400, 401],
    scope: async (request) => listedScope(request),
    async handle(request) {
      const { query, list } = request;
      const value = query('name');
      const named = value === undefined ? [] : [{ field: 'name', kind: 'fuzzy', value } as const];
      const asked = list(FIELDS);
      const filters = [...asked.filters, ...named];
      const { items, total } = await labels.list(listedScope(request), { ...asked, filters });
      return { json: items.map(labelJson), total };
    },
  });

const createLabel = (labels: Labels): ApiRoute =>
  scopedRoute({
    operation: 'CreateLabel',
    method: 'POST',
    path: '/labels',
    permission: { either: 'label:create' },
    answers: [201, 400, 401, 409, 415],
    scope: async ({ json }) => scopeIn(await json(NewLabel)),
    async handle({ json, actor }) {
      const { scope, project_id, ...content } = await json(NewLabel);
      const project = scopeIn({ scope, project_id });
      const { id } = await labels.create({ ...content, project }, actor);
      return { location: `/labels/${id}` };
    },
  });

const getLabel = (labels: Labels): ApiRoute =>
  scopedRoute({
    operation: 'GetLabelByID',
    method: 'GET',
    path: '/labels/{label_id}',
    permission: { either: 'label:read', openOnNode: true },
    answers: [200, 401, 404],
    scope: (request) => scopeOf(labels, request),
    handle: async ({ id }) => ({ json: labelJson(await labels.get(id('label_id'))) }),
  });

const updateLabel = (labels: Labels): ApiRoute =>
  scopedRoute({
    operation: 'UpdateLabel',
    method: 'PUT',
    path: '/labels/{label_id}',
    permission: { either: 'label:update' },
    answers: [200, 400, 401, 404, 409],
    scope: (request) => scopeOf(labels, request),
    async handle({ id, json, actor }) {
      await labels.update(id('label_id'), await json(Body), actor);
      return DONE;
    },
  });

const deleteLabel = (labels: Labels): ApiRoute =>
  scopedRoute({
    operation: 'DeleteLabel',
    method: 'DELETE',
    path: '/labels/{label_id}',
    permission: { either: 'label:delete' },
    answers: [200, 400, 401, 404],
    scope: (request) => scopeOf(labels, request),
    async handle({ id, actor }) {
      await labels.remove(id('label_id'), actor);
      return DONE;
    },
  });

const addLabel = (labels: Labels): ApiRoute =>
  projectRoute({
    operation: 'addLabel',
    method: 'POST',
    path: ARTIFACT_LABELS,
    permission: { project: 'artifact-label:create' },
    answers: [200, 400, 401, 403, 404, 409],
    async handle(request) {
      const { id } = await request.json(z.object({ id: z.int() }));
      await labels.attach(placeOf(request), id, request.actor);
      return DONE;
    },
  });

const removeLabel = (labels: Labels): ApiRoute =>
  projectRoute({
    operation: 'removeLabel',
    method: 'DELETE',
    path: `${ARTIFACT_LABELS}/{label_id}`,
    permission: { project: 'artifact-label:delete' },
    answers: [200, 401, 403, 404, 409],
    async handle(request) {
      await labels.detach(placeOf(request), request.id('label_id'), request.actor);
      return DONE;
    },
  });

/** The node's where the client does not say `p`. @throws ManagementError BAD_REQUEST */
function listedScope({ query }: ApiRequest): number | undefined {
  const project = query('project_id') ?? '';
  const scope = query('scope') ?? (isId(project) && Number(project) > 0 ? 'p' : 'g');
  if (scope === 'g') return undefined;
  if (scope === 'p' && isId(project)) return Number(project);
  throw new ManagementError('BAD_REQUEST', 'scope is g, or p with the project_id');
}

function scopeIn({ scope, project_id: project }: { scope: string; project_id: number }) {
  return scope === 'g' ? undefined : project;
}

async function scopeOf(labels: Labels, { id }: ApiRequest): Promise<number | undefined> {
  return (await labels.get(id('label_id'))).project;
}
