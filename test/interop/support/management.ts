import assert from 'node:assert/strict';
import got from 'got';
import { basic } from './wire.ts';
import type { World } from './world.ts';

/** Creates something by the management API, as the admin; where it is, below `/api/v2.0`. */
export async function create({ node, admin }: World, path: string, body: object): Promise<string> {
  const response = await got.post(`${node.url}/api/v2.0${path}`, {
    json: body,
    headers: { Authorization: basic(admin) },
    throwHttpErrors: false,
  });
  assert.equal(response.statusCode, 201, response.body);
  return (response.headers.location ?? '').replace('/api/v2.0', '');
}

/** What the management API answers to a GET, as the admin. */
export async function read({ node, admin }: World, path: string): Promise<unknown> {
  return got
    .get(`${node.url}/api/v2.0${path}`, { headers: { Authorization: basic(admin) } })
    .json();
}
