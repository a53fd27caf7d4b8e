import { Execution, type Executions, Finding, FindingTotal, Task } from './executions.ts';
import type { NodeApi } from './node-api.ts';

const at = (id: number): string => `/replication/executions/${id}`;

/** Executions of a running node. */
export function nodeExecutions(api: NodeApi): Executions {
  return {
    execution: (id) => api.get(at(id), Execution),
    tasks: (id, state) => api.list(`${at(id)}/tasks?q=state=${state}`, Task),
    findings: (id) => api.list(`${at(id)}/dry-run`, Finding),
    findingTotal: (id) => api.get(`${at(id)}/dry-run/total`, FindingTotal),
  };
}
