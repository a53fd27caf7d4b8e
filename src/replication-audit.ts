/** What the audit log tells of those who start replication, hold it up and let it go on. Wiring, like `node.ts`. */
import { type Actor, writeAudit } from './audit/audit.ts';
import type { WriteTransaction } from './database/database.ts';
import type { Execution } from './jobs/executions.ts';
import { ExecutionFacts } from './replication/run.ts';

export interface Act {
  readonly actor: Actor;
  /** Milliseconds UTC. */
  readonly at: number;
}

type Told = Pick<Execution, 'id' | 'facts'>;
type About =
  | { readonly everything: 'pause' | 'resume' }
  | { readonly policy: string; readonly operation: 'pause' | 'resume' }
  | { readonly endpoint: string; readonly operation: 'pause' | 'resume' }
  | { readonly execution: Told; readonly operation: 'start' | 'retry' | 'stop' };

/** Writes the row in the transaction of what it tells of. */
export function audited(act: Act, about: About): (transaction: WriteTransaction) => Promise<void> {
  const entry = { ...act, succeeded: true, detail: '', ...eventOf(about) };
  return (transaction) => writeAudit(transaction, entry);
}

function eventOf(about: About) {
  if ('everything' in about) {
    const resource = 'everything';
    return { operation: about.everything, resourceType: 'replication', resource } as const;
  }
  if ('policy' in about) {
    const { operation } = about;
    return { operation, resourceType: 'replication-policy', resource: about.policy } as const;
  }
  if ('endpoint' in about) {
    const { operation } = about;
    return { operation, resourceType: 'registry', resource: about.endpoint } as const;
  }
  const { operation, execution } = about;
  const { id, facts } = execution;
  const detail = `an execution of ${ExecutionFacts.parse(facts).name}`;
  return { operation, resourceType: 'replication', resource: `${id}`, detail } as const;
}
