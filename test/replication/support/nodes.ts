import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { z } from 'zod';
import { loadConfig } from '../../../src/config/load.ts';
import { startNode } from '../../../src/node.ts';
import { type Answer, createClient, type Sent } from '../../http/support/client.ts';
import { until } from '../../support/until.ts';

const Execution = z.object({
  id: z.int(),
  status: z.enum(['InProgress', 'Succeed', 'Failed', 'Stopped']),
  total: z.int(),
  succeed: z.int(),
  failed: z.int(),
});
type Execution = z.infer<typeof Execution>;

/** A node under test, by its own doors. */
export interface ReplicatingNode extends AsyncDisposable {
  readonly url: string;
  /** As the admin. */
  send(sent: Sent): Promise<Answer>;
  /** Starts the policy of that place in the configuration, from 1, and waits for its end. */
  run(policy: number): Promise<Execution>;
  /** Without waiting for its end. @returns the execution */
  start(policy: number): Promise<number>;
  /** Waits for its end. */
  ended(execution: number): Promise<Execution>;
  log(execution: number): Promise<string>;
  untilLogged(execution: number, line: RegExp): Promise<void>;
  /** Waits until what happened so far has been copied: no execution is under way, and none came for a while. */
  idle(): Promise<void>;
  tags(repository: string): Promise<readonly string[]>;
}

const WITHIN = { withinMs: 20_000 };
const EXECUTIONS = '/api/v2.0/replication/executions';
const ADMIN = 'admin:password-of-the-admin';

export async function startReplicatingNode(
  folder: string,
  name: string,
  configuration: Readonly<Record<string, unknown>> = {},
  now: () => number = Date.now,
): Promise<ReplicatingNode> {
  const file = join(folder, `${name}.yaml`);
  const written = {
    listen: { address: '127.0.0.1:0' },
    data: join(folder, name),
    seed: false,
    admin: { password: ADMIN.slice('admin:'.length) },
    ...configuration,
  };
  await writeFile(file, stringify(written));
  const config = await loadConfig({ file, env: {}, overrides: [] });
  await using opened = new AsyncDisposableStack();
  const node = opened.use(await startNode(config, { version: '0.0.0', now }));
  const [address] = node.addresses;
  assert.ok(address);
  const client = opened.use(createClient(address));
  const resources = opened.move();
  const send = (sent: Sent): Promise<Answer> => client.send({ as: ADMIN, ...sent });
  const start = async (policy: number): Promise<number> => {
    const started = await send({
      method: 'POST',
      path: EXECUTIONS,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ policy_id: policy }),
    });
    assert.equal(started.status, 201, started.body.toString());
    return Number(String(started.headers.location).split('/').at(-1));
  };
  const ended = async (id: number): Promise<Execution> => {
    let execution: Execution | undefined;
    await until(async () => {
      execution = Execution.parse((await send({ path: `${EXECUTIONS}/${id}` })).json());
      return execution.status !== 'InProgress';
    }, WITHIN);
    assert.ok(execution);
    return execution;
  };
  const log = async (execution: number): Promise<string> => {
    const tasks = `${EXECUTIONS}/${execution}/tasks`;
    const listed = z.array(z.object({ id: z.int() })).parse((await send({ path: tasks })).json());
    const logs = await Promise.all(listed.map(({ id }) => send({ path: `${tasks}/${id}/log` })));
    return logs.map(({ body }) => body.toString()).join('');
  };
  return {
    url: `http://${address.host}:${address.port}`,
    send,
    start,
    run: async (policy) => ended(await start(policy)),
    ended,
    log,
    untilLogged: (execution, line) => until(async () => line.test(await log(execution)), WITHIN),
    async idle() {
      let quiet = 0;
      await until(async () => {
        const running = z
          .array(z.unknown())
          .parse((await send({ path: `${EXECUTIONS}?status=InProgress` })).json());
        quiet = running.length === 0 ? quiet + 1 : 0;
        // The feed is read five times a second.
        return quiet > 100;
      }, WITHIN);
    },
    async tags(repository) {
      const answer = await send({ path: `/v2/${repository}/tags/list` });
      if (answer.status === 404) return [];
      return z.object({ tags: z.array(z.string()) }).parse(answer.json()).tags;
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

/** An endpoint of a configuration. */
export function endpointAt(
  url: string | URL,
  more: Readonly<Record<string, unknown>> = {},
): Readonly<Record<string, unknown>> {
  return { adapter: 'distribution', url: String(url), allowPrivateAddress: true, ...more };
}

/** By which one node comes to another. */
export const ADMINS = { credential: { username: 'admin', password: ADMIN.slice('admin:'.length) } };
