import { type Actor, writeAudit } from '../audit/audit.ts';
import type { Database, WriteTransaction } from '../database/database.ts';
import type { Listed, ListQuery } from '../database/listing.ts';
import { ManagementError } from '../oci/management-error.ts';
import type { BlobStore } from '../storage/blob-store.ts';
import {
  findProject,
  listProjects,
  type ManagedProject,
  type ProjectSummary,
  summaryOf,
  type Visible,
} from './managed-projects.ts';
import {
  changeMetadata,
  createProject,
  dropMetadata,
  type Exposing,
  type NewProject,
  obstacleTo,
  type ProjectRules,
  removeProject,
  requireUndeclared,
} from './project-changes.ts';
import type { ProjectMetadata } from './project-metadata.ts';
import { discardStaged } from './repository-removal.ts';

/** What others keep of a project, written in the transaction that makes or removes it. */
export interface ProjectPeople {
  /** Makes the user a project admin. */
  welcome(
    transaction: WriteTransaction,
    who: { readonly project: number; readonly user: number; readonly at: number },
  ): Promise<void>;
  /** Nobody has a role in the project any more, and its robots are gone. */
  dismiss(transaction: WriteTransaction, project: number): Promise<void>;
}

export interface ProjectAdministrationOptions extends ProjectRules {
  readonly database: Database;
  readonly store: Pick<BlobStore, 'stage'>;
  /** Milliseconds UTC. */
  readonly now: () => number;
  readonly people: ProjectPeople;
  /** Bytes that a project may have where nobody says; -1: any number. */
  readonly defaultLimit: () => Promise<number>;
}

/** Projects as people manage them. What the configuration file declares is FORBIDDEN to change. */
export interface ProjectAdministration {
  /** Fields: `id`, `name`, `owner`, `isPublic`, `kind`, `createdAt`, `updatedAt`. @throws ManagementError BAD_REQUEST */
  list(query: ListQuery, visible: Visible): Promise<Listed<ManagedProject>>;
  /** By id or by name. @throws ManagementError NOT_FOUND */
  get(project: number | string): Promise<ManagedProject>;
  /** @throws ManagementError NOT_FOUND */
  summary(project: number): Promise<ProjectSummary>;
  /** Why it cannot be removed; undefined where it can. @throws ManagementError NOT_FOUND, FORBIDDEN */
  obstacle(project: number): Promise<string | undefined>;
  /**
   * `creator` is the id of the user that becomes its admin; undefined for a robot, which does not.
   *
   * @throws ManagementError BAD_REQUEST, CONFLICT, FORBIDDEN for what the actor may not expose, as all do that change one
   */
  create(
    project: NewProject & { readonly creator: number | undefined },
    actor: Actor,
    exposing?: Exposing,
  ): Promise<{ readonly id: number }>;
  /** Metadata that it does not name stays. @throws ManagementError NOT_FOUND, FORBIDDEN, BAD_REQUEST */
  update(
    project: number,
    metadata: ProjectMetadata,
    actor: Actor,
    exposing?: Exposing,
  ): Promise<void>;
  /** @throws ManagementError as `update` does, CONFLICT for metadata that it has */
  addMetadata(
    project: number,
    metadata: ProjectMetadata,
    actor: Actor,
    exposing?: Exposing,
  ): Promise<void>;
  /** @throws ManagementError NOT_FOUND (of that metadata, too), FORBIDDEN, BAD_REQUEST for `public` */
  removeMetadata(project: number, name: string, actor: Actor, exposing?: Exposing): Promise<void>;
  /** Who makes one of the same name afterwards finds nothing of it. @throws ManagementError NOT_FOUND, FORBIDDEN, PRECONDITION */
  remove(project: number, actor: Actor): Promise<void>;
}

export function createProjectAdministration(
  options: ProjectAdministrationOptions,
): ProjectAdministration {
  const { database, store, now, people, defaultLimit } = options;
  return {
    list: (query, visible) => listProjects(database.read, query, visible),
    get: (project) => findProject(database.read, project),
    summary: (project) => summaryOf(database.read, project),

    async obstacle(project) {
      await requireUndeclared(database.read, project);
      return obstacleTo(database.read, project);
    },

    async create({ creator, ...project }, actor, exposing) {
      const storageLimit = project.storageLimit ?? (await defaultLimit());
      return database.write(async (transaction) => {
        const at = now();
        const making = { ...options, ...exposing, owner: actor.name, at };
        const id = await createProject(transaction, { ...project, storageLimit }, making);
        if (creator !== undefined) {
          await people.welcome(transaction, { project: id, user: creator, at });
        }
        await tell(transaction, { id, name: project.name }, { actor, operation: 'create', at });
        return { id };
      });
    },

    async update(project, metadata, actor, exposing) {
      await database.write((transaction) =>
        change(transaction, { project, metadata, actor }, { ...options, ...exposing }),
      );
    },

    async addMetadata(project, metadata, actor, exposing) {
      await database.write(async (transaction) => {
        refuseTwice(metadata, (await findProject(transaction, project)).metadata);
        await change(transaction, { project, metadata, actor }, { ...options, ...exposing });
      });
    },

    async removeMetadata(project, name, actor, exposing) {
      await database.write(async (transaction) => {
        const at = now();
        const known = await requireUndeclared(transaction, project);
        await dropMetadata(transaction, { project, name, at }, { ...options, ...exposing });
        const detail = `without ${name}`;
        await tell(transaction, known, { actor, operation: 'update', at, detail });
      });
    },

    async remove(project, actor) {
      const uploads = await database.write(async (transaction) => {
        const at = now();
        const known = await requireUndeclared(transaction, project);
        const obstacle = await obstacleTo(transaction, project);
        if (obstacle !== undefined) throw new ManagementError('PRECONDITION', obstacle);
        await people.dismiss(transaction, project);
        await tell(transaction, known, { actor, operation: 'delete', at });
        return removeProject(transaction, project, { owner: actor.name, at });
      });
      await discardStaged(store, uploads);
    },
  };
}

/** @throws ManagementError CONFLICT */
function refuseTwice(added: ProjectMetadata, known: ProjectMetadata): void {
  const twice = Object.keys(added).find((name) => Object.hasOwn(known, name));
  if (twice === undefined) return;
  throw new ManagementError('CONFLICT', `there is metadata ${twice} already`);
}

async function change(
  transaction: WriteTransaction,
  asked: { readonly project: number; readonly metadata: ProjectMetadata; readonly actor: Actor },
  options: ProjectAdministrationOptions & Exposing,
): Promise<void> {
  const { project, metadata, actor } = asked;
  const at = options.now();
  const known = await requireUndeclared(transaction, project);
  await changeMetadata(transaction, { project, metadata, at }, options);
  const detail = JSON.stringify(metadata);
  await tell(transaction, known, { actor, operation: 'update', at, detail });
}

async function tell(
  transaction: WriteTransaction,
  { id, name }: { readonly id: number; readonly name: string },
  act: { actor: Actor; operation: 'create' | 'update' | 'delete'; at: number; detail?: string },
): Promise<void> {
  const about = { resourceType: 'project', resource: name, project: id, succeeded: true } as const;
  await writeAudit(transaction, { detail: '', ...act, ...about });
}
