import { z } from 'zod';
import { artifactPath, tagJson } from './artifact-json.ts';
import { type Artifacts, placeOf } from './artifacts.ts';
import { type ApiRoute, DONE, projectRoute } from './route.ts';

const TAGS = '/projects/{project_name}/repositories/{repository_name}/artifacts/{reference}/tags';

const FIELDS = { id: 'id', name: 'name', push_time: 'pushedAt', pull_time: 'pulledAt' };

/** What artifacts are called. */
export function tagRoutes(artifacts: Artifacts): readonly ApiRoute[] {
  return [listTags(artifacts), createTag(artifacts), deleteTag(artifacts)];
}

const listTags = (artifacts: Artifacts): ApiRoute =>
  projectRoute({
    operation: 'listTags',
    method: 'GET',
    path: TAGS,
    permission: { project: 'tag:list' },
    answers: [200, 400, 401, 403, 404, 422],
    async handle(request) {
      const { repository, reference } = placeOf(request);
      const artifact = await artifacts.get(repository, reference);
      const { items, total } = await artifacts.tags(repository, reference, request.list(FIELDS));
      return { json: items.map((tag) => tagJson(tag, artifact)), total };
    },
  });

const createTag = (artifacts: Artifacts): ApiRoute =>
  projectRoute({
    operation: 'createTag',
    method: 'POST',
    path: TAGS,
    permission: { project: 'tag:create' },
    answers: [201, 400, 401, 403, 404, 405, 409],
    async handle(request) {
      const { name } = await request.json(z.object({ name: z.string() }));
      const place = placeOf(request);
      await artifacts.tag(place, name, request.actor);
      const reference = request.text('reference');
      const path = artifactPath(request.project.name, place.repository, reference);
      return { location: `${path}/tags/${name}` };
    },
  });

const deleteTag = (artifacts: Artifacts): ApiRoute =>
  projectRoute({
    operation: 'deleteTag',
    method: 'DELETE',
    path: `${TAGS}/{tag_name}`,
    permission: { project: 'tag:delete' },
    answers: [200, 401, 403, 404],
    async handle(request) {
      await artifacts.untag(placeOf(request), request.text('tag_name'), request.actor);
      return DONE;
    },
  });
