/** What the API asks of dry runs, out of policies and jobs. Wiring, like `node.ts`. */
import type { DryRuns } from './http/api/replication-dry-runs.ts';
import { everyTask } from './jobs/every-task.ts';
import { ManagementError } from './oci/management-error.ts';
import type { Replicating } from './replicating.ts';
import { type Finding, findingOf } from './replication/findings.ts';
import { ExecutionFacts } from './replication/run.ts';
import { executionOf } from './replication-ports.ts';

export function dryRunPorts({ policies, replication, jobs }: Replicating): DryRuns {
  const endpointsOf = async (id: number): Promise<readonly string[]> => {
    const { isDryRun, rules } = ExecutionFacts.parse((await executionOf(jobs, id)).facts);
    if (isDryRun) return rules.destinations.map(({ endpoint }) => endpoint);
    throw new ManagementError('PRECONDITION', `execution ${id} is no dry run`);
  };
  return {
    async start(policy, operator) {
      const kept = await policies.get(policy);
      const options = { trigger: 'manual', operator, isDryRun: true } as const;
      const started = await replication.start(kept, options);
      if (started !== undefined) return started;
      throw new ManagementError('CONFLICT', `policy ${kept.name} was started at that time`);
    },
    async findings(execution, page) {
      const endpoints = await endpointsOf(execution);
      const { items, total } = await jobs.tasks.list({ ...page, ...ofExecution(execution) });
      return { items: items.map((task) => findingOf(task, endpoints)), total };
    },
    async total(execution) {
      const endpoints = await endpointsOf(execution);
      const total = { copy: 0, skip: 0, delete: 0, fail: 0, bytes: 0, blobs: 0 };
      for await (const task of everyTask(jobs, execution)) count(total, findingOf(task, endpoints));
      return total;
    },
  };
}

type Total = { -readonly [Name in keyof Awaited<ReturnType<DryRuns['total']>>]: number };

function count(total: Total, { action, bytes = 0, blobs = 0 }: Finding): void {
  if (action === 'look' || action === 'pending') return;
  total[action] += 1;
  total.bytes += bytes;
  total.blobs += blobs;
}

function ofExecution(execution: number) {
  return {
    filters: [{ field: 'execution', kind: 'exact', value: String(execution) }],
    sort: [{ field: 'id', descending: false }],
  } as const;
}
