/** What the API shows of an execution while it runs, out of jobs. Wiring, like `node.ts`. */
import type { ReplicationEvents } from './http/api/replication-events.ts';
import type { Happening } from './jobs/following.ts';
import { ManagementError } from './oci/management-error.ts';
import type { Replicating } from './replicating.ts';
import { shown } from './replication-control-ports.ts';
import { executionOf } from './replication-ports.ts';

export function replicationEventPorts({ jobs }: Pick<Replicating, 'jobs'>): ReplicationEvents {
  return {
    async follow(id, options) {
      await executionOf(jobs, id);
      return inOwnWords(jobs.executions.follow(id, options));
    },
    async log(id, task) {
      await executionOf(jobs, id);
      if ((await jobs.tasks.get(task))?.execution === id) return jobs.tasks.log(task);
      throw new ManagementError('NOT_FOUND', `task ${task} not found`);
    },
  };
}

async function* inOwnWords(batches: AsyncIterable<readonly Happening[]>) {
  for await (const batch of batches) {
    yield batch.map((each) =>
      'execution' in each ? { ...each, execution: shown(each.execution) } : each,
    );
  }
}
