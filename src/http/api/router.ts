import { Router } from '@koa/router';
import { ZodError, type ZodType } from 'zod';
import { ManagementError } from '../../oci/management-error.ts';
import type { Context, Middleware, Routes, State } from '../context.ts';
import { answerEmpty } from '../empty-answer.ts';
import { queryOf } from '../query.ts';
import { hasBody, readBody } from '../request-body.ts';
import { RequestError } from '../request-error.ts';
import { requestSignal } from '../request-signal.ts';
import { EventStreams, STREAM_LIMITS } from './event-stream.ts';
import { createGate, type Gate, type Projects } from './gate.ts';
import { listQueryOf, type Parameter, pageNumberOf } from './list-query.ts';
import { refusal } from './refusal.ts';
import { type ApiAnswer, type ApiRequest, type ApiRoute, isId } from './route.ts';

/** Of Harbor's API. */
export const HARBOR = '/api/v2.0';
/** Of the node's own. */
export const OWN = '/api/portolan/v1';

/** Bytes. The largest that a client has a reason for, a list of permissions, comes to a few KiB. */
const LARGEST_JSON = 1024 * 1024;

const VERBS = {
  GET: 'get',
  HEAD: 'head',
  POST: 'post',
  PUT: 'put',
  PATCH: 'patch',
  DELETE: 'delete',
} as const satisfies Readonly<Record<ApiRoute['method'], string>>;

/** The operations of the management API, each behind its permission. */
export function apiRouter(
  routes: readonly ApiRoute[],
  projects: Projects,
  base: typeof HARBOR | typeof OWN = HARBOR,
  limits = STREAM_LIMITS,
): Routes {
  const router: Routes = new Router<State, object>();
  const gate = createGate(projects);
  const streams = new EventStreams(limits);
  for (const route of inOrder(routes)) {
    const handler = handlerOf(base, route, { gate, streams });
    router[VERBS[route.method]](patternOf(base, route.path), handler);
  }
  return router;
}

/** `/users/current` before `/users/{user_id}`, and HEAD before GET, which would answer it too. */
function inOrder(routes: readonly ApiRoute[]): readonly ApiRoute[] {
  return routes.toSorted((a, b) => (rankOf(a) < rankOf(b) ? -1 : 1));
}

function rankOf({ path, method }: ApiRoute): string {
  return `${path} ${method === 'HEAD' ? 0 : 1}`;
}

/** With a slash at the end or without: the Terraform provider sends both. */
function patternOf(base: string, path: string): RegExp {
  const pattern = path.replace(/\/$/, '').replaceAll(/\{\w+\}/g, '([^/]+)');
  return new RegExp(`^${RegExp.escape(base)}${pattern}/?$`);
}

interface Means {
  readonly gate: Gate;
  readonly streams: EventStreams;
}

function handlerOf(base: string, route: ApiRoute, { gate, streams }: Means): Middleware {
  const names = [...route.path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name);
  return async (ctx) => {
    ctx.state.route = 'api';
    try {
      if (ctx.state.caller.grants !== undefined) {
        throw new ManagementError('UNAUTHORIZED', 'the token is one for repositories alone');
      }
      const given = await route.serve(requestOf(ctx, names), gate);
      if (given.events === undefined) answer(ctx, { base, ...route }, given);
      else {
        const mayStill = async () => given.mayStill?.(await ctx.state.identify());
        await streams.send(ctx, given.events, mayStill);
      }
    } catch (error) {
      throw refusal(error, [...route.answers, ...(route.undeclared ?? [])]);
    }
  };
}

function requestOf(ctx: Context, names: readonly string[]): ApiRequest {
  const { caller, origin } = ctx.state;
  const parts = new Map(names.map((name, index) => [name, ctx.captures?.[index] ?? '']));
  const query = parameterOf(ctx);
  const text = (name: string): string => decoded(name, parts.get(name) ?? '');
  let content: Promise<unknown> | undefined;
  return {
    caller,
    actor: { name: caller.name, address: origin.address },
    text,
    query,
    id: (name) => idOf(name, text(name)),
    flag: (name) => flagOf(name, query(name)),
    list: (fields) => listQueryOf(query, fields),
    async json(schema) {
      content ??= readJson(ctx);
      return validated(schema, await content);
    },
    header: (name) => ctx.get(name).toLowerCase() === 'true',
    lastEventId: ctx.get('Last-Event-ID') || undefined,
    origin: `${origin.isSecure ? 'https' : 'http'}://${origin.host}`,
    signal: requestSignal(ctx),
  };
}

function parameterOf(ctx: Context): Parameter {
  return (name) => {
    const value = queryOf(ctx, name);
    return value === '' ? undefined : value;
  };
}

/** Names of repositories come encoded twice, so that no proxy in between takes their slashes for the path's. */
function decoded(name: string, text: string): string {
  try {
    const once = decodeURIComponent(text);
    return name === 'repository_name' ? decodeURIComponent(once) : once;
  } catch (error) {
    throw new ManagementError('BAD_REQUEST', `${name} is not encoded as a URL has it`, {
      cause: error,
    });
  }
}

function idOf(name: string, text: string): number {
  if (isId(text)) return Number(text);
  throw new ManagementError('NOT_FOUND', `${name} ${text} is no id`);
}

function flagOf(name: string, text: string | undefined): boolean | undefined {
  if (text === undefined) return undefined;
  if (/^(?:true|1)$/i.test(text)) return true;
  if (/^(?:false|0)$/i.test(text)) return false;
  throw new ManagementError('BAD_REQUEST', `${name} is neither true nor false`);
}

async function readJson(ctx: Context): Promise<unknown> {
  // A browser sends no other page's form as JSON without asking first.
  if (!hasBody(ctx)) throw new ManagementError('BAD_REQUEST', 'the request has no body');
  if (!/^application\/json(?:;|$)/i.test(ctx.get('Content-Type'))) {
    throw new ManagementError('BAD_REQUEST', 'the body is not declared as application/json');
  }
  const message = `the body is larger than ${LARGEST_JSON} bytes`;
  const bytes = await readBody(
    ctx,
    LARGEST_JSON,
    () => new RequestError(413, 'REQUEST_ENTITY_TOO_LARGE', { message }),
  );
  try {
    // Some clients (harborapi) write null for what they leave out, and to Harbor that is the same.
    return JSON.parse(bytes.toString('utf8'), (_, value: unknown) => value ?? undefined);
  } catch (error) {
    throw new ManagementError('BAD_REQUEST', 'the body is no JSON', { cause: error });
  }
}

function validated<T>(schema: ZodType<T>, content: unknown): T {
  try {
    return schema.parse(content);
  } catch (error) {
    if (!(error instanceof ZodError)) throw error;
    const problems = error.issues.map(({ path, message }) =>
      path.length === 0 ? message : `${path.join('.')}: ${message}`,
    );
    throw new ManagementError('BAD_REQUEST', problems.join('; '), { cause: error });
  }
}

function answer(
  ctx: Context,
  { base, answers }: Pick<ApiRoute, 'answers'> & { readonly base: string },
  given: ApiAnswer,
): void {
  const { res } = ctx;
  const { json, text, location, total } = given;
  res.setHeader('Cache-Control', 'no-store');
  if (location !== undefined) res.setHeader('Location', `${base}${location}`);
  if (total !== undefined) announcePages(ctx, total);
  const [status] = answers;
  if (json === undefined && text === undefined) {
    answerEmpty(ctx, status);
    return;
  }
  ctx.status = status;
  if (text !== undefined) {
    ctx.type = 'text/plain';
    ctx.body = text;
    return;
  }
  res.setHeader('Content-Type', 'application/json');
  ctx.body = Buffer.from(JSON.stringify(json));
}

function announcePages(ctx: Context, total: number): void {
  const { page, size } = pageNumberOf(parameterOf(ctx));
  const linkTo = (other: number, rel: string): string => {
    const query = new URLSearchParams(ctx.querystring);
    query.set('page', String(other));
    query.set('page_size', String(size));
    return `<${ctx.path}?${query.toString()}>; rel="${rel}"`;
  };
  const links = [
    ...(page > 1 ? [linkTo(page - 1, 'prev')] : []),
    ...(page * size < total ? [linkTo(page + 1, 'next')] : []),
  ];
  ctx.res.setHeader('X-Total-Count', String(total));
  if (links.length > 0) ctx.res.setHeader('Link', links.join(' , '));
}
