import assert from 'node:assert/strict';
import { AUTHORIZATION, ask, type ServingNode } from './support.ts';

/** One for the admin, with nothing in its scope. */
export async function tokenOf(node: ServingNode): Promise<string> {
  const headers = { authorization: AUTHORIZATION };
  const { status, body } = await ask(node, '/service/token', { headers });
  assert.equal(status, 200, body);
  const { token } = JSON.parse(body);
  return token;
}

/** What the node answers to the token. */
export async function statusWith(node: ServingNode, token: string): Promise<number> {
  const headers = { authorization: `Bearer ${token}` };
  return (await ask(node, '/v2/', { headers })).status;
}

/** Of the key that signed the token. */
export function kidOf(token: string): string {
  const [head = ''] = token.split('.');
  return JSON.parse(Buffer.from(head, 'base64url').toString()).kid;
}
