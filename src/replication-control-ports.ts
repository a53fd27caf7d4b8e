/** What the node's own API asks of replication, out of policies and jobs. Wiring, like `node.ts`. */

import { queueOf } from './catalog/replication-policies.ts';
import type { ReplicationControl } from './http/api/replication-control.ts';
import type { Execution } from './jobs/executions.ts';
import { ManagementError } from './oci/management-error.ts';
import type { Replicating } from './replicating.ts';
import { refuseSwitchedOff } from './replication/replication.ts';
import { ExecutionFacts } from './replication/run.ts';
import { executionOf, Named, policyIn, queued } from './replication-ports.ts';

export function replicationControlPorts(replicating: Replicating): ReplicationControl {
  const { policies, jobs } = replicating;
  const hostOrThrow = async (endpoint: string): Promise<string> => {
    const host = await replicating.hostOf(endpoint);
    if (host !== undefined) return host;
    throw new ManagementError('NOT_FOUND', `registry ${endpoint} not found`);
  };
  return {
    async executions(query) {
      const { items, total } = await jobs.executions.list(queued(query));
      return { items: items.map(shown), total };
    },
    execution: async (id) => shown(await executionOf(jobs, id)),
    async tasks(execution, query) {
      await executionOf(jobs, execution);
      const own = { field: 'execution', kind: 'exact', value: String(execution) } as const;
      const { items, total } = await jobs.tasks.list({
        ...query,
        filters: [...query.filters, own],
      });
      return {
        items: items.map(({ payload, ...task }) => ({ ...task, ...Named.parse(payload) })),
        total,
      };
    },
    async retry(execution) {
      const { queue } = await executionOf(jobs, execution);
      refuseSwitchedOff(await policies.get(policyIn(queue)));
      return jobs.retryFailed(execution);
    },
    async pause(what) {
      if (what === 'everything') await jobs.queues.pauseAll();
      else if ('endpoint' in what) await jobs.hosts.pause(await hostOrThrow(what.endpoint));
      else await jobs.queues.pause(queueOf((await policies.get(what.policy)).id));
    },
    async resume(what) {
      if (what === 'everything') await jobs.queues.resumeAll();
      else if ('endpoint' in what) await jobs.hosts.resume(await hostOrThrow(what.endpoint));
      else await jobs.queues.resume(queueOf((await policies.get(what.policy)).id));
    },
  };
}

export function shown({ kind: _kind, facts, queue, ...execution }: Execution) {
  const { name, isDryRun } = ExecutionFacts.parse(facts);
  return { ...execution, policy: policyIn(queue), policyName: name, isDryRun };
}
