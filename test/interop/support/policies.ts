import assert from 'node:assert/strict';
import got from 'got';
import { z } from 'zod';
import { PATIENCE_MS, until } from './processes.ts';
import type { NodeProcess } from './registries.ts';
import { basic } from './wire.ts';

const Execution = z.object({
  id: z.int(),
  status: z.enum(['InProgress', 'Succeed', 'Failed', 'Stopped']),
  status_text: z.string(),
});
const Named = z.array(z.object({ id: z.int(), name: z.string() }));
const Tasks = z.array(z.object({ id: z.int() }));

export interface Ended {
  readonly status: z.infer<typeof Execution>['status'];
  /** Of its tasks, all together. */
  readonly log: string;
}

/** The replication of a node that is a process, by its API, as its admin. */
export function policiesOf(node: Pick<NodeProcess, 'url' | 'adminPassword'>) {
  const http = got.extend({
    prefixUrl: `${node.url}/api/v2.0/replication`,
    headers: { authorization: basic(`admin:${node.adminPassword}`) },
    retry: { limit: 0 },
    timeout: { request: PATIENCE_MS },
  });
  const logOf = async (execution: number): Promise<string> => {
    const path = `executions/${execution}/tasks`;
    const tasks = Tasks.parse(await http(path, { searchParams: { page_size: 100 } }).json());
    const logs = tasks.map(({ id }) => http(`${path}/${id}/log`).text());
    return (await Promise.all(logs)).join('');
  };
  return {
    /** @returns the execution */
    async start(name: string): Promise<number> {
      const listed = Named.parse(await http('policies', { searchParams: { name } }).json());
      const policy = listed.find((found) => found.name === name);
      assert.ok(policy, `there is a policy ${name}`);
      const { headers } = await http.post('executions', { json: { policy_id: policy.id } });
      return Number(headers.location?.split('/').at(-1));
    },
    /** Undefined while it is under way. */
    async outcome(execution: number): Promise<Ended['status'] | undefined> {
      const found = Execution.parse(await http(`executions/${execution}`).json());
      return found.status === 'InProgress' ? undefined : found.status;
    },
    logOf,
    /** Starts the policy, and waits for its end. */
    async run(name: string): Promise<Ended> {
      const execution = await this.start(name);
      let status: Ended['status'] | undefined;
      await until(async () => {
        status = await this.outcome(execution);
        return status !== undefined;
      }, 120_000);
      assert.ok(status, `${name} ends\n${await logOf(execution)}`);
      return { status, log: await logOf(execution) };
    },
  };
}
