import { Router } from '@koa/router';
import { may } from '../../../policies/access.ts';
import { isGranted } from '../../access/caller.ts';
import { OciError } from '../../oci/error.ts';
import type { Routes, State } from '../context.ts';
import { nextPage } from '../links.ts';
import { pageOf } from '../query.ts';
import type { Project } from '../target.ts';

/** What this route needs of the node. */
export interface Catalog {
  /** Canonical names in byte order, of the projects that the caller may see. */
  repositories(options: {
    readonly last?: string;
    readonly limit: number;
    readonly isVisible: (project: Pick<Project, 'id' | 'isPublic'>) => boolean;
  }): Promise<readonly string[]>;
}

const LONGEST_PAGE = 10_000;
const CATALOG = { type: 'registry', name: 'catalog' } as const;
/** crane and skopeo ask for as many; clients that ask for nothing do not follow `Link` either. */
const USUAL_PAGE = 1_000;

/** `/v2/_catalog`: not in the specification, and every registry has it. */
export function catalogRoutes(catalog: Catalog): Routes {
  const router: Routes = new Router<State, object>();

  router.get(/^\/v2\/_catalog$/, async (ctx) => {
    ctx.state.route = 'catalog';
    const { caller, origin } = ctx.state;
    // A mirror's names are its upstream's, which has no list that we know.
    if (origin.mirror !== undefined) throw new OciError('UNSUPPORTED');
    // What the list shows depends on who asks, and regctl and oras never say who they are unless asked (2026-11-21).
    const isSilent = ctx.req.headers.authorization === undefined;
    if (isSilent || !(caller.isAnonymous || isGranted(caller, CATALOG, '*'))) {
      ctx.state.scope = 'registry:catalog:*';
      throw new OciError('UNAUTHORIZED');
    }
    const { last, limit = USUAL_PAGE } = pageOf(ctx, LONGEST_PAGE);
    const found = await catalog.repositories({
      ...(last === undefined ? {} : { last }),
      limit: limit + 1,
      isVisible: (project) => may(caller, 'repository:list', project),
    });
    const repositories = found.slice(0, limit);
    const newest = repositories.at(-1);
    if (found.length > limit && newest !== undefined) {
      const query = new URLSearchParams({ last: newest, n: String(limit) });
      ctx.res.setHeader('Link', nextPage(`/v2/_catalog?${query.toString()}`));
    }
    ctx.body = { repositories };
  });

  return router;
}
