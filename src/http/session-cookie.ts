/** The cookie by which a browser stays signed in, and the token that says that a page of ours sent a request with it. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Context } from './context.ts';
import { RequestError } from './request-error.ts';

/** As Harbor calls it. */
const COOKIE = 'sid';
const ID = /^[\w-]{1,128}$/;
/** Harbor's, whose clients keep what it says in each answer and send that along. */
const TOKEN_HEADER = 'X-Harbor-CSRF-Token';

export interface CookieOptions {
  readonly externalUrl?: string | undefined;
}

/**
 * Undefined where there is none, or more than one: a page of a neighbouring host can plant a second one, and which of
 * them came first nobody knows.
 */
export function sessionIdIn({ headers: { cookie } }: IncomingMessage): string | undefined {
  if (cookie === undefined) return undefined;
  const [value = '', ...others] = cookie
    .split(';')
    .map((pair) => pair.trim())
    .flatMap((pair) => (pair.startsWith(`${COOKIE}=`) ? [pair.slice(COOKIE.length + 1)] : []));
  return others.length === 0 && ID.test(value) ? value : undefined;
}

/** For as long as the browser is open; the session may end before. */
export function giveSession(ctx: Context, id: string, options: CookieOptions): void {
  setCookie(ctx, `${COOKIE}=${id}`, options);
  announceToken(ctx, id);
}

export function takeSession(ctx: Context, options: CookieOptions): void {
  setCookie(ctx, `${COOKIE}=; Max-Age=0`, options);
}

/**
 * Tells the client its token, and refuses a change that came without it. It follows from the session's id, so that it is
 * of no other session, and is known to nobody who may not read our answers.
 *
 * @throws RequestError 403, in the words by which Harbor's portal knows that the answer has the right one
 */
export function checkToken(ctx: Context, id: string): void {
  const token = announceToken(ctx, id);
  if (isSafe(ctx) || isSame(ctx.get(TOKEN_HEADER), token)) return;
  throw new RequestError(403, 'FORBIDDEN', { message: 'CSRF token invalid' });
}

/** Whether the request changes nothing (RFC 9110 section 9.2.1). */
export function isSafe({ method }: Pick<Context, 'method'>): boolean {
  return method === 'GET' || method === 'HEAD' || method === 'OPTIONS';
}

function announceToken({ res }: Context, id: string): string {
  const token = createHmac('sha256', id).update('csrf').digest('base64url');
  res.setHeader(TOKEN_HEADER, token);
  return token;
}

function setCookie(
  { res, state: { origin } }: Context,
  cookie: string,
  { externalUrl }: CookieOptions,
): void {
  // A proxy that is not trusted says nothing of TLS, and the name by which people come may say it all the same.
  const external = externalUrl === undefined ? undefined : URL.parse(externalUrl);
  const isSecure =
    origin.isSecure || (external?.protocol === 'https:' && external.host === origin.host);
  const secure = isSecure ? '; Secure' : '';
  res.setHeader('Set-Cookie', `${cookie}; Path=/; HttpOnly; SameSite=Lax${secure}`);
}

function isSame(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
}
