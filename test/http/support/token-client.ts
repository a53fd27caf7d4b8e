import assert from 'node:assert/strict';
import { z } from 'zod';
import type { Answer } from './client.ts';
import type { TestNode } from './node.ts';

const TokenAnswer = z.object({
  token: z.string(),
  access_token: z.string(),
  scope: z.string(),
  expires_in: z.number(),
  issued_at: z.iso.datetime(),
  refresh_token: z.string().optional(),
});
export type TokenAnswer = z.infer<typeof TokenAnswer>;

const Claims = z.object({
  sub: z.string(),
  aud: z.string(),
  access: z.array(z.object({ name: z.string(), actions: z.array(z.string()) })),
});

/** What the token service said to somebody whom it gave a token. */
export function tokenIn(answer: Answer): TokenAnswer {
  assert.equal(answer.status, 200, answer.body.toString());
  const given = TokenAnswer.parse(answer.json());
  assert.equal(given.access_token, given.token);
  return given;
}

/** Asks by GET. `as` is `name:password`; without it nobody asks. */
export async function tokenFor(
  node: TestNode,
  scopes: readonly string[],
  as?: string,
): Promise<string> {
  const query = new URLSearchParams(scopes.map((scope) => ['scope', scope]));
  const sent = { path: `/service/token?service=portolan&${query.toString()}` };
  return tokenIn(await node.send(as === undefined ? sent : { ...sent, as })).token;
}

/** Asks by POST. */
export function postForm(
  node: TestNode,
  form: Readonly<Record<string, string>> | string,
): Promise<Answer> {
  return node.send({
    method: 'POST',
    path: '/service/token',
    headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    body: typeof form === 'string' ? form : new URLSearchParams(form).toString(),
  });
}

/** What `docker login` does; what it keeps. */
export async function refreshTokenOf(node: TestNode, as: string): Promise<string> {
  const path = '/service/token?client_id=docker&offline_token=true&service=portolan';
  return tokenIn(await node.send({ path, as })).refresh_token ?? assert.fail('no refresh token');
}

/** What a client does with it. */
export function refresh(node: TestNode, token: string, scope = ''): Promise<Answer> {
  return postForm(node, { grant_type: 'refresh_token', refresh_token: token, scope });
}

/** Without a look at who signed it. */
export function claimsOf(token: string): z.infer<typeof Claims> {
  const [, payload = ''] = token.split('.');
  return Claims.parse(JSON.parse(Buffer.from(payload, 'base64url').toString()));
}

export function bearer(token: string): { readonly Authorization: string } {
  return { Authorization: `Bearer ${token}` };
}
