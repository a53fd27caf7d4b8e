import { Router } from '@koa/router';
import type { Routes, State } from '../context.ts';
import { nextPage, pathTo } from '../links.ts';
import { pageOf } from '../query.ts';
import { requestSignal } from '../request-signal.ts';
import type { Gate } from '../target.ts';

export interface ListOptions {
  /** Only what comes after it in byte order. */
  readonly last?: string;
  readonly limit?: number;
  readonly signal: AbortSignal;
}

/** What these routes need of the node. */
export interface Tags {
  /** In byte order. @throws OciError NAME_UNKNOWN, and those of an upstream */
  tags(target: Target, options: ListOptions): Promise<readonly string[]>;
}
type Target = Awaited<ReturnType<Gate>>;

/** A page that nobody asked for is never cut: clients exist that do not follow `Link`. */
const LONGEST_PAGE = 10_000;

/** `/v2/<name>/tags/list`, distribution-spec v1.1.1. */
export function tagRoutes(source: Tags, gate: Gate): Routes {
  const router: Routes = new Router<State, object>();

  // end-8a, end-8b
  router.get(/^\/v2\/(.+)\/tags\/list$/, async (ctx) => {
    const target = await gate(ctx, {
      route: 'tags',
      name: ctx.captures?.[0] ?? '',
      action: 'pull',
    });
    const { last, limit } = pageOf(ctx, LONGEST_PAGE);
    // One more than asked for tells whether there is a next page.
    const found = await source.tags(target, {
      signal: requestSignal(ctx),
      ...(last === undefined ? {} : { last }),
      ...(limit === undefined ? {} : { limit: limit + 1 }),
    });
    const tags = found.slice(0, limit);
    const newest = tags.at(-1);
    if (limit !== undefined && found.length > limit && newest !== undefined) {
      const next = pathTo(target, 'tags/list', { last: newest, n: String(limit) });
      ctx.res.setHeader('Link', nextPage(next));
    }
    ctx.body = { name: target.clientName, tags };
  });

  return router;
}
