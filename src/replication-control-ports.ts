/** What the node's own API asks of replication, out of policies and jobs. Wiring, like `node.ts`. */
import type { Actor } from './audit/audit.ts';
import { queueOf } from './catalog/replication-policies.ts';
import type { Paused, ReplicationControl } from './http/api/replication-control.ts';
import type { Execution } from './jobs/executions.ts';
import { ManagementError } from './oci/management-error.ts';
import type { Replicating } from './replicating.ts';
import { refuseSwitchedOff } from './replication/replication.ts';
import { ExecutionFacts } from './replication/run.ts';
import { audited } from './replication-audit.ts';
import { executionOf, Named, policyIn, queued } from './replication-ports.ts';

/** @param now milliseconds UTC */
export function replicationControlPorts(
  replicating: Replicating,
  now: () => number,
): ReplicationControl {
  const { policies, jobs } = replicating;
  const hostOrThrow = async (endpoint: string): Promise<string> => {
    const host = await replicating.hostOf(endpoint);
    if (host !== undefined) return host;
    throw new ManagementError('NOT_FOUND', `registry ${endpoint} not found`);
  };
  const turn = async (operation: 'pause' | 'resume', what: Paused, actor: Actor) => {
    const act = { actor, at: now() };
    if (what === 'everything') {
      const all = operation === 'pause' ? 'pauseAll' : 'resumeAll';
      await jobs.queues[all](audited(act, { everything: operation }));
    } else if ('endpoint' in what) {
      const host = await hostOrThrow(what.endpoint);
      await jobs.hosts[operation](host, audited(act, { ...what, operation }));
    } else {
      const { id, name } = await policies.get(what.policy);
      await jobs.queues[operation](queueOf(id), audited(act, { policy: name, operation }));
    }
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
    async retry(id, actor) {
      const execution = await executionOf(jobs, id);
      refuseSwitchedOff(await policies.get(policyIn(execution.queue)));
      const about = { execution, operation: 'retry' } as const;
      return jobs.retryFailed(id, audited({ actor, at: now() }, about));
    },
    pause: (what, actor) => turn('pause', what, actor),
    resume: (what, actor) => turn('resume', what, actor),
  };
}

export function shown({ kind: _kind, facts, queue, ...execution }: Execution) {
  const { name, isDryRun } = ExecutionFacts.parse(facts);
  return { ...execution, policy: policyIn(queue), policyName: name, isDryRun };
}
