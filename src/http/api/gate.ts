import {
  may,
  mayAnywhere,
  maySystem,
  type ProjectPermission,
  type SystemPermission,
} from '../../../policies/access.ts';
import type { Caller } from '../../access/caller.ts';
import { ManagementError } from '../../oci/management-error.ts';

/**
 * What a caller has to be allowed:
 * - `nobody`: it is told to whoever asks
 * - `visible`: whoever asks is told what they may see
 * - `signed-in`: whoever has an account; it is about the caller, or the same for all
 * - something of the node, where `orSelf` lets those do it whose own id is the path's `user_id`, `orPeople` every
 *   person while it says so, and `orInProjects` whoever has an account, for the projects where they may do that
 * - something of the project that the path names
 * - something of either, where what it is about belongs to a project or to the node; `openOnNode` shows what is the node's
 *   to whoever has an account
 */
export type Permission =
  | 'nobody'
  | 'visible'
  | 'signed-in'
  | {
      readonly system: SystemPermission;
      readonly orSelf?: true;
      readonly orPeople?: () => Promise<boolean>;
      readonly orInProjects?: ProjectPermission;
    }
  | { readonly project: ProjectPermission }
  | { readonly either: ProjectPermission & SystemPermission; readonly openOnNode?: true };

/** A project, as far as permissions depend on it. */
export interface Project {
  readonly id: number;
  readonly name: string;
  readonly isPublic: boolean;
}

/** What this needs of the node. */
export interface Projects {
  get(name: string): Promise<Project | undefined>;
  list(): Promise<readonly Project[]>;
}

interface Asking {
  readonly caller: Caller;
  readonly id: (name: string) => number;
}

/** How a path names a project. */
interface Named {
  readonly reference: string;
  /** A name even where it looks like an id. */
  readonly isName: boolean;
  /** Whether the operation may answer that it is forbidden, or has to say that there is no such project. */
  readonly isForbidden: boolean;
}

/** Lets requests pass that are allowed, and says nothing of projects that the caller may not see. */
export interface Gate {
  /** @throws ManagementError UNAUTHORIZED, FORBIDDEN */
  pass(
    asking: Asking,
    permission: Exclude<Permission, { readonly project: unknown } | { readonly either: unknown }>,
  ): Promise<void>;
  /**
   * A private project that the caller may not see and one that is not there are answered alike.
   *
   * @throws ManagementError UNAUTHORIZED, FORBIDDEN, NOT_FOUND
   */
  project(asking: Asking, permission: ProjectPermission, named: Named): Promise<Project>;
  /**
   * @param scope a project's id; undefined for the node
   * @throws ManagementError UNAUTHORIZED, FORBIDDEN, NOT_FOUND
   */
  either(
    asking: Asking,
    permission: Extract<Permission, { readonly either: unknown }>,
    scope: number | undefined,
  ): Promise<void>;
}

export function createGate(projects: Projects): Gate {
  const byId = async (id: number): Promise<Project | undefined> =>
    (await projects.list()).find((project) => project.id === id);

  return {
    async pass(asking, permission) {
      if (permission === 'nobody' || permission === 'visible') return;
      if (asking.caller.isAnonymous) throw unauthorized();
      if (permission === 'signed-in' || maySystem(asking.caller, permission.system)) return;
      if (permission.orInProjects !== undefined) return;
      if (permission.orSelf === true && isSelf(asking)) return;
      if (asking.caller.robot === undefined && (await permission.orPeople?.()) === true) return;
      throw forbidden(permission.system);
    },

    async project({ caller }, permission, { reference, isName, isForbidden }) {
      const project = isName ? await projects.get(reference) : await byId(Number(reference));
      if (project !== undefined && may(caller, permission, project)) return project;
      if (caller.isAnonymous) throw unauthorized();
      if (project !== undefined && may(caller, 'project:read', project)) {
        throw forbidden(permission);
      }
      const missing = `there is no project ${reference}`;
      if (mayAnywhere(caller, permission)) throw new ManagementError('NOT_FOUND', missing);
      const message = `${missing}, or none that you may see`;
      throw new ManagementError(isForbidden ? 'FORBIDDEN' : 'NOT_FOUND', message);
    },

    async either({ caller }, { either: permission, openOnNode = false }, scope) {
      if (scope === undefined) {
        if (maySystem(caller, permission) || (openOnNode && !caller.isAnonymous)) return;
        throw caller.isAnonymous ? unauthorized() : forbidden(permission);
      }
      const project = await byId(scope);
      if (project !== undefined && may(caller, permission, project)) return;
      if (caller.isAnonymous) throw unauthorized();
      if (project !== undefined && may(caller, 'project:read', project)) {
        throw forbidden(permission);
      }
      throw new ManagementError('NOT_FOUND', 'there is nothing by this id that you may see');
    },
  };
}

/** A robot's id is none of a user. */
function isSelf({ caller, id }: Asking): boolean {
  return caller.robot === undefined && caller.id === id('user_id');
}

function unauthorized(): ManagementError {
  return new ManagementError('UNAUTHORIZED', 'sign in first');
}

function forbidden(permission: string): ManagementError {
  return new ManagementError('FORBIDDEN', `you may not ${permission}`);
}
