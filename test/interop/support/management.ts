import assert from 'node:assert/strict';
import got from 'got';
import type { World } from './world.ts';

/** Creates something by the management API, as the admin; where it is, below `/api/v2.0`. */
export async function create({ node, admin }: World, path: string, body: object): Promise<string> {
  const response = await got.post(`${node.url}/api/v2.0${path}`, {
    json: body,
    headers: { Authorization: `Basic ${Buffer.from(admin).toString('base64')}` },
    throwHttpErrors: false,
  });
  assert.equal(response.statusCode, 201, response.body);
  return (response.headers.location ?? '').replace('/api/v2.0', '');
}
