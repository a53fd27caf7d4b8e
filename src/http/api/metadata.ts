import { z } from 'zod';
import { ManagementError } from '../../oci/management-error.ts';
import type { ManagedProjects } from './managed-projects.ts';
import { exposingOf } from './projects.ts';
import { type ApiRoute, DONE, projectRoute } from './route.ts';

const Metadata = z.record(z.string(), z.string());

/** Harbor's metadata of a project, one by one. */
export function metadataRoutes(projects: ManagedProjects): readonly ApiRoute[] {
  return [
    listMetadata(projects),
    addMetadata(projects),
    getMetadata(projects),
    updateMetadata(projects),
    deleteMetadata(projects),
  ];
}

const listMetadata = (projects: ManagedProjects): ApiRoute =>
  projectRoute({
    operation: 'listProjectMetadatas',
    method: 'GET',
    path: '/projects/{project_name_or_id}/metadatas/',
    permission: { project: 'metadata:read' },
    answers: [200, 400, 401, 403, 404],
    handle: async ({ project }) => ({ json: (await projects.get(project.id)).metadata }),
  });

const addMetadata = (projects: ManagedProjects): ApiRoute =>
  projectRoute({
    operation: 'addProjectMetadatas',
    method: 'POST',
    path: '/projects/{project_name_or_id}/metadatas/',
    permission: { project: 'metadata:create' },
    answers: [200, 400, 401, 403, 404, 409],
    async handle({ project, json, actor, caller }) {
      const metadata = await json(Metadata);
      await projects.addMetadata(project.id, metadata, actor, exposingOf(caller));
      return DONE;
    },
  });

const getMetadata = (projects: ManagedProjects): ApiRoute =>
  projectRoute({
    operation: 'getProjectMetadata',
    method: 'GET',
    path: '/projects/{project_name_or_id}/metadatas/{meta_name}',
    permission: { project: 'metadata:read' },
    answers: [200, 400, 401, 403, 404],
    async handle({ project, text }) {
      const name = text('meta_name');
      return { json: { [name]: await valueOf(projects, project.id, name) } };
    },
  });

const updateMetadata = (projects: ManagedProjects): ApiRoute =>
  projectRoute({
    operation: 'updateProjectMetadata',
    method: 'PUT',
    path: '/projects/{project_name_or_id}/metadatas/{meta_name}',
    permission: { project: 'metadata:update' },
    answers: [200, 400, 401, 403, 404, 409],
    async handle({ project, text, json, actor, caller }) {
      const name = text('meta_name');
      const value = (await json(Metadata))[name];
      if (value === undefined) throw new ManagementError('BAD_REQUEST', `${name} is missing`);
      await valueOf(projects, project.id, name);
      await projects.update(project.id, { [name]: value }, actor, exposingOf(caller));
      return DONE;
    },
  });

const deleteMetadata = (projects: ManagedProjects): ApiRoute =>
  projectRoute({
    operation: 'deleteProjectMetadata',
    method: 'DELETE',
    path: '/projects/{project_name_or_id}/metadatas/{meta_name}',
    permission: { project: 'metadata:delete' },
    answers: [200, 400, 401, 403, 404, 409],
    async handle({ project, text, actor, caller }) {
      await projects.removeMetadata(project.id, text('meta_name'), actor, exposingOf(caller));
      return DONE;
    },
  });

/** @throws ManagementError NOT_FOUND */
async function valueOf(projects: ManagedProjects, project: number, name: string): Promise<string> {
  const { metadata } = await projects.get(project);
  const value = Object.hasOwn(metadata, name) ? metadata[name] : undefined;
  if (value !== undefined) return value;
  throw new ManagementError('NOT_FOUND', `metadata ${name} not found`);
}
