import { may, mayAnywhere, type ProjectPermission } from '../../policies/access.ts';
import { ANONYMOUS, isGranted } from '../access/caller.ts';
import { NoSuchProject, OciError } from '../oci/error.ts';
import type { RouteKind } from '../telemetry/channels.ts';
import type { Context } from './context.ts';
import { queryOf } from './query.ts';

/** The project of a repository, as far as an answer depends on it. */
export interface Project {
  readonly id: number;
  readonly name: string;
  readonly kind: 'hosted' | 'proxy';
  readonly isPublic: boolean;
  /** Milliseconds UTC. */
  readonly createdAt: number;
  /** Whether a pushed manifest's content must be in the repository. */
  readonly references: 'strict' | 'sparse';
}

/** The repository that a request is about. */
export interface Target {
  /** The canonical name, which is what is stored and authorised: `docker.io/library/alpine`. */
  readonly repository: string;
  readonly project: Project;
  /** As the client wrote the name, for `Location` and `Link`. */
  readonly clientName: string;
  /** The upstream that the client named by `?ns=`, where that decided. */
  readonly ns: string | undefined;
}

export interface NameRequest {
  /** The upstream that the listener or the host stands in for. */
  readonly mirror?: string;
  readonly ns: string | undefined;
  readonly name: string;
  readonly method: string;
}

/** Which repository a name means, given how the request came. */
export interface Names {
  /** @throws OciError NAME_INVALID, NAME_UNKNOWN, DENIED, UNSUPPORTED; NoSuchProject */
  locate(request: NameRequest): Promise<Target>;
}

/** What a token's scope says that it allows. */
export type Action = 'pull' | 'push' | 'delete';

/** What the caller has to be allowed for it. */
export const PERMISSIONS = {
  pull: 'repository:pull',
  push: 'repository:push',
  delete: 'repository:delete',
} as const satisfies Readonly<Record<Action, ProjectPermission>>;

/** What a route needs of a repository before it does anything. */
export interface Need {
  readonly route: RouteKind;
  /** As the client wrote it. */
  readonly name: string;
  readonly action: Action;
}

/**
 * The first step of every route: finds the repository and refuses who may not do this to it, before a byte of the body
 * is read. A private project that the caller may not see and one that is not there are refused alike.
 *
 * @throws OciError what {@link Names} throws; UNAUTHORIZED when credentials could change the answer, else DENIED
 */
export type Gate = (ctx: Context, need: Need) => Promise<Target>;

export function createGate(names: Names): Gate {
  return async (ctx, need) => {
    const { name, action } = need;
    ctx.state.route = need.route;
    const target = await locate(names, ctx, { name, method: ctx.method }).catch(
      (error: unknown) => {
        const isTold = mayAnywhere(ctx.state.caller, PERMISSIONS[action]);
        throw error instanceof NoSuchProject && !isTold ? refusal(ctx, need, undefined) : error;
      },
    );
    // OCI distribution-spec main (2025-11) "Pull-through": says that the namespace was understood.
    if (target.ns !== undefined) ctx.res.setHeader('OCI-Namespace', target.ns);
    if (isAllowed(ctx, action, target)) return target;
    throw refusal(ctx, need, target);
  };
}

/** Says nothing of the target that the client did not, unless the caller may see its project. */
function refusal(ctx: Context, { name, action }: Need, target: Target | undefined): OciError {
  const { caller, origin } = ctx.state;
  const mayDo = (permission: ProjectPermission): boolean =>
    target === undefined
      ? mayAnywhere(caller, permission)
      : may(caller, permission, target.project);
  // Another token helps nobody whose rights end here.
  const couldSignIn = caller.isAnonymous || mayDo(PERMISSIONS[action]);
  const isSeen = mayDo('project:read') || target?.ns !== undefined;
  const repository = isSeen ? (target?.repository ?? name) : name;
  const actions = SCOPE_ACTIONS[action];
  ctx.state.scope = `repository:${repository}:${actions.join(',')}`;
  const detail = actions.map((missing) => ({
    Type: 'repository',
    Name: repository,
    Action: missing,
  }));
  if (couldSignIn && origin.mirror === undefined) return new OciError('UNAUTHORIZED', { detail });
  if (isSeen) return new OciError('DENIED', { detail });
  const [first = ''] = name.split('/');
  const message = `project ${first} does not exist, or you may not see it`;
  return new OciError('DENIED', { detail, message });
}

// docs/wire-notes.md 2: what stock registries ask a token for, and how they say so in the error.
const SCOPE_ACTIONS: Readonly<Record<Action, readonly string[]>> = {
  pull: ['pull'],
  push: ['pull', 'push'],
  delete: ['delete'],
};

/** What everybody may do needs no token that says so. */
function isAllowed(ctx: Context, action: Action, { repository, project }: Target): boolean {
  const { caller } = ctx.state;
  const permission = PERMISSIONS[action];
  if (may(ANONYMOUS, permission, project)) return true;
  const wanted = { type: 'repository', name: repository, since: project.createdAt } as const;
  return may(caller, permission, project) && isGranted(caller, wanted, action);
}

/** Finds a repository on behalf of the same client without asking what the client may do there. */
export function locate(
  names: Names,
  ctx: Context,
  { name, method }: { name: string; method: string },
): Promise<Target> {
  const { mirror } = ctx.state.origin;
  const request = { ns: queryOf(ctx, 'ns'), name, method };
  return names.locate(mirror === undefined ? request : { ...request, mirror });
}
