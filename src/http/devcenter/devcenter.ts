import { readFile } from 'node:fs/promises';
import { Router } from '@koa/router';
import type { Context, Routes, State } from '../context.ts';
import { RequestError } from '../request-error.ts';

interface Page {
  readonly type: string;
  /** Of the file; looked for when somebody asks. */
  readonly url: () => string;
}

const own = (file: string) => () => new URL(file, import.meta.url).href;
const HTML = 'text/html; charset=utf-8';
const SCRIPT = 'text/javascript; charset=utf-8';

const PAGES: ReadonlyMap<string, Page> = new Map([
  ['/devcenter', { type: HTML, url: own('index.html') }],
  ['/devcenter/', { type: HTML, url: own('index.html') }],
  ['/devcenter/start.js', { type: SCRIPT, url: own('start.js') }],
  [
    '/devcenter/swagger-ui.js',
    { type: SCRIPT, url: () => import.meta.resolve('swagger-ui-dist/swagger-ui-bundle.js') },
  ],
  [
    '/devcenter/swagger-ui.css',
    {
      type: 'text/css; charset=utf-8',
      url: () => import.meta.resolve('swagger-ui-dist/swagger-ui.css'),
    },
  ],
  [
    '/devcenter/favicon.png',
    { type: 'image/png', url: () => import.meta.resolve('swagger-ui-dist/favicon-32x32.png') },
  ],
  // Where Harbor's portal has it.
  ['/swagger.json', { type: 'application/json', url: own('swagger.json') }],
]);

/** Nothing of other hosts, nothing written into a page, and in nobody's frame. Images are the library's, in its styles. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/**
 * The description of the management API and pages to try it on, at `/devcenter`; Harbor's address of them leads there. They
 * are the same for everybody, and what is tried needs what it needs. All of it comes from here: no other host is asked.
 */
export function devcenterRoutes(): Routes {
  const router: Routes = new Router<State, object>();
  // Few, and the same while the process lives.
  const contents = new Map<string, Buffer>();

  router.get(/^\/(?:devcenter(?:\/[\w.-]*)?|swagger\.json)$/, async (ctx) => {
    ctx.state.route = 'api';
    const page = ctx.state.origin.mirror === undefined ? PAGES.get(ctx.path) : undefined;
    if (page === undefined) throw nothingHere();
    const content = contents.get(ctx.path) ?? (await readFile(new URL(page.url())));
    contents.set(ctx.path, content);
    send(ctx, page, content);
  });

  router.get(/^\/devcenter-api-2\.0$/, (ctx) => {
    ctx.state.route = 'api';
    if (ctx.state.origin.mirror !== undefined) throw nothingHere();
    ctx.redirect('/devcenter');
  });

  return router;
}

function send(ctx: Context, { type }: Page, content: Buffer): void {
  const { res } = ctx;
  ctx.status = 200;
  res.setHeader('Content-Type', type);
  res.setHeader('Content-Security-Policy', POLICY);
  res.setHeader('X-Content-Type-Options', 'nosniff');
  res.setHeader('Referrer-Policy', 'no-referrer');
  res.setHeader('Cache-Control', 'public, max-age=300');
  ctx.body = content;
}

function nothingHere(): RequestError {
  return new RequestError(404, 'UNSUPPORTED', { message: 'there is nothing at this path' });
}
