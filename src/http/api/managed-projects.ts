import type { Role } from '../../../policies/access.ts';
import type { Project } from './gate.ts';
import type { Listed, ListQuery } from './list-query.ts';
import type { Actor } from './route.ts';

/** A project as people manage it. Times are milliseconds UTC. */
export interface ManagedProject extends Project {
  readonly owner: string;
  /** That a proxy project asks. */
  readonly endpoint: number | undefined;
  readonly metadata: Readonly<Record<string, string>>;
  readonly repositoryCount: number;
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** Bytes; a limit of -1 is none. */
export interface Storage {
  readonly used: number;
  readonly limit: number;
}

/** Projects that a caller may know of: all, or the public ones and those of these ids. */
export type Visible = 'all' | { readonly projects: readonly number[] };

interface NewProject {
  readonly name: string;
  readonly endpoint: number | undefined;
  readonly metadata: Readonly<Record<string, string>>;
  readonly storageLimit: number | undefined;
  /** The user who becomes its admin. */
  readonly creator: number | undefined;
}

/** By whom a project is changed. */
export interface Exposing {
  /** Whether they say what everybody may pull with the credential of a registry. */
  readonly mayExpose: boolean;
}

/** What the routes of projects, and of their metadata, need of the node. @throws ManagementError */
export interface ManagedProjects {
  list(query: ListQuery, visible: Visible): Promise<Listed<ManagedProject>>;
  get(project: number | string): Promise<ManagedProject>;
  summary(project: number): Promise<{
    readonly repositoryCount: number;
    readonly members: Readonly<Record<Role, number>>;
    readonly storage: Storage;
    readonly endpoint: number | undefined;
  }>;
  /** Why it cannot be removed; undefined where it can. */
  obstacle(project: number): Promise<string | undefined>;
  create(project: NewProject, actor: Actor, exposing: Exposing): Promise<{ readonly id: number }>;
  update(
    project: number,
    metadata: Readonly<Record<string, string>>,
    actor: Actor,
    exposing: Exposing,
  ): Promise<void>;
  addMetadata(
    project: number,
    metadata: Readonly<Record<string, string>>,
    actor: Actor,
    exposing: Exposing,
  ): Promise<void>;
  removeMetadata(project: number, name: string, actor: Actor, exposing: Exposing): Promise<void>;
  remove(project: number, actor: Actor): Promise<void>;
}
