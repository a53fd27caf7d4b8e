import { may } from '../../policies/access.ts';
import type { Grant } from '../access/caller.ts';
import { OciError } from '../oci/error.ts';
import type { Context } from './context.ts';
import { RequestError } from './request-error.ts';
import { type Action, locate, type Names, PERMISSIONS } from './target.ts';

/** More than any client asks for at once; each costs a look-up. */
const MOST_SCOPES = 100;
const ACTIONS: readonly Action[] = ['pull', 'push', 'delete'];

interface Scope {
  readonly type: string;
  readonly name: string;
  readonly actions: readonly string[];
}

export interface ScopeOptions {
  readonly names: Names;
  /** Of a service of its own, which knows nothing of the names that this node gives to others. */
  readonly isForeign: boolean;
}

/**
 * What the caller is allowed of what was asked, by canonical names. What is left out is no error: clients ask for more
 * than they need.
 *
 * @param texts each may be several, separated by spaces
 * @throws RequestError 400 for more than {@link MOST_SCOPES}
 */
export async function grantsOf(
  ctx: Context,
  texts: readonly string[],
  options: ScopeOptions,
): Promise<readonly Grant[]> {
  const grants: Grant[] = [];
  for (const scope of scopesIn(texts)) {
    const grant = await grantOf(ctx, scope, options);
    if (grant !== undefined) grants.push(grant);
  }
  return grants;
}

function scopesIn(texts: readonly string[]): readonly Scope[] {
  const scopes = texts.flatMap((text) => text.split(' '));
  if (scopes.length > MOST_SCOPES) {
    throw new RequestError(400, 'UNSUPPORTED', { message: `more than ${MOST_SCOPES} scopes` });
  }
  return scopes.flatMap((text) => {
    const [, type, name, actions] = /^([a-z]+)(?:\([^)]*\))?:(.+):([^:]*)$/.exec(text) ?? [];
    if (type === undefined || name === undefined || actions === undefined) return [];
    return [{ type, name, actions: actions.split(',') }];
  });
}

/** Undefined where nothing of it is allowed; why not is nobody's business. */
async function grantOf(
  ctx: Context,
  { type, name, actions }: Scope,
  { names, isForeign }: ScopeOptions,
): Promise<Grant | undefined> {
  const { caller } = ctx.state;
  if (type === 'registry') {
    // What our list shows is its route's question; who asks another for its list sees all of it.
    const mayList = isForeign ? caller.isAdmin : !caller.isAnonymous;
    return name === 'catalog' && mayList ? { type, name, actions: ['*'] } : undefined;
  }
  if (type !== 'repository') return undefined;
  try {
    // Names that no project has are pulled from the default project, so a scope names them as a pull does.
    const { repository, project } = await locate(names, ctx, { name, method: 'GET' });
    if (isForeign && repository !== name) return undefined;
    const allowed = ACTIONS.filter(
      (action) =>
        (actions.includes(action) || actions.includes('*')) &&
        may(caller, PERMISSIONS[action], project),
    );
    return allowed.length === 0 ? undefined : { type, name: repository, actions: allowed };
  } catch (error) {
    if (error instanceof OciError) return undefined;
    throw error;
  }
}
