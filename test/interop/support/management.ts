import assert from 'node:assert/strict';
import got from 'got';
import { z } from 'zod';
import { basic } from './wire.ts';
import type { World } from './world.ts';

type Managed = Pick<World, 'node' | 'admin'>;

/** Creates something by the management API, as the admin; where it is, below `/api/v2.0`. */
export async function create(managed: Managed, path: string, body: object): Promise<string> {
  const { headers } = await created(managed, path, body);
  return (headers.location ?? '').replace('/api/v2.0', '');
}

/** A robot of the project that may all this, by resource; its credentials. */
export async function createRobot(
  managed: Managed,
  project: string,
  may: Readonly<Record<string, readonly string[]>>,
): Promise<{ readonly username: string; readonly password: string }> {
  const access = Object.entries(may).flatMap(([resource, actions]) =>
    actions.map((action) => ({ resource, action })),
  );
  const { body } = await created(managed, '/robots', {
    name: 'ci',
    level: 'project',
    duration: -1,
    permissions: [{ kind: 'project', namespace: project, access }],
  });
  const { name, secret } = Robot.parse(JSON.parse(body));
  return { username: name, password: secret };
}

const Robot = z.object({ name: z.string(), secret: z.string() });

async function created({ node, admin }: Managed, path: string, body: object) {
  const response = await got.post(`${node.url}/api/v2.0${path}`, {
    json: body,
    headers: { Authorization: basic(admin) },
    throwHttpErrors: false,
  });
  assert.equal(response.statusCode, 201, response.body);
  return response;
}

/** What the management API answers to a GET, as the admin. */
export async function read({ node, admin }: Managed, path: string): Promise<unknown> {
  return got
    .get(`${node.url}/api/v2.0${path}`, { headers: { Authorization: basic(admin) } })
    .json();
}
