import assert from 'node:assert/strict';
import type { Answer } from './client.ts';
import type { TestNode } from './node.ts';

/** What a browser has once it is signed in. */
export interface SignedIn {
  readonly sid: string;
  /** What goes with every change. */
  readonly token: string;
  readonly headers: { readonly Cookie: string };
}

/** Sends the form of the sign-in page. `as` is `name:password`. */
export function postLogin(
  node: Pick<TestNode, 'send'>,
  as: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const [principal = '', password = ''] = as.split(':');
  return node.send({
    method: 'POST',
    path: '/c/login',
    headers: { 'Content-Type': 'application/x-www-form-urlencoded', ...headers },
    body: new URLSearchParams({ principal, password }).toString(),
  });
}

export async function logIn(
  node: TestNode,
  as: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<SignedIn> {
  const answer = await postLogin(node, as, headers);
  assert.equal(answer.status, 200, answer.body.toString());
  const sid = cookieIn(answer).split(';', 1)[0] ?? '';
  return { sid: sid.slice('sid='.length), token: tokenIn(answer), headers: { Cookie: sid } };
}

/** The whole `Set-Cookie`. */
export function cookieIn({ headers }: Answer): string {
  const [cookie, ...others] = headers['set-cookie'] ?? [];
  assert.deepEqual(others, []);
  return cookie ?? assert.fail('no cookie');
}

export function tokenIn({ headers }: Answer): string {
  const token = headers['x-harbor-csrf-token'];
  return typeof token === 'string' ? token : assert.fail('no token');
}
