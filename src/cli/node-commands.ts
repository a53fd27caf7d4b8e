/** What an operator asks of a running node. */
import { z } from 'zod';
import { ReplicationPolicy } from '../../policies/replication.ts';
import { CommandFailed } from './command-failed.ts';
import {
  endText,
  executionTable,
  failureTable,
  writeFindings,
  writeJson,
} from './execution-text.ts';
import { Execution, type Executions, failuresOf, watchExecution } from './executions.ts';
import { type NodeApi, nodeApi } from './node-api.ts';
import type { NodeCommand } from './node-arguments.ts';
import { nodeExecutions } from './node-executions.ts';
import { progressOn } from './progress.ts';
import type { Streams } from './streams.ts';
import { table } from './table.ts';
import { rollBackTag, tagHistory } from './tag-commands.ts';
import { UsageError } from './usage.ts';
import { yamlText } from './yaml-text.ts';

const Policy = z.object({
  id: z.int(),
  name: z.string(),
  declared: z.boolean(),
  rules: z.record(z.string(), z.unknown()),
  createdAt: z.string(),
  updatedAt: z.string(),
});
type Policy = z.infer<typeof Policy>;
const RuledPolicy = Policy.extend({ rules: ReplicationPolicy });

const POLICIES = '/replication/policies';
const EXECUTIONS = '/replication/executions';
/** The newest, as far as people read. */
const MOST_LISTED = 100;

interface Asked {
  readonly command: NodeCommand;
  readonly api: NodeApi;
  readonly streams: Streams;
}

/** @throws CommandFailed with what the node says, and where an execution that is waited for failed; UsageError */
export async function runNodeCommand(command: NodeCommand, streams: Streams): Promise<void> {
  const asked = { command, streams, api: await nodeApi(command.node) };
  switch (command.name) {
    case 'policies list':
      return listPolicies(asked);
    case 'policies show':
      return showPolicy(asked);
    case 'policies start':
      return startPolicy(asked);
    case 'policies stop':
      return stopPolicy(asked);
    case 'policies retry':
      return retryPolicy(asked);
    case 'executions list':
      return listExecutions(asked);
    case 'executions show':
      return showExecution(asked);
    case 'executions stop':
      return stopExecution(asked);
    case 'executions retry':
      return retryExecution(asked, idOf(command.subject));
    case 'tags history':
      return tagHistory(asked);
    case 'tags rollback':
      return rollBackTag(asked);
  }
}

async function listPolicies({ command, api, streams: { stdout } }: Asked): Promise<void> {
  if (command.isJson) return writeJson(stdout, await Array.fromAsync(api.list(POLICIES, Policy)));
  const policies = await Array.fromAsync(api.list(POLICIES, RuledPolicy));
  const rows = policies.map(({ id, name, declared, rules }) => {
    const { source, destinations, trigger, enabled } = rules;
    const to = destinations.map(({ endpoint }) => endpoint).join(', ');
    const isOn = enabled ? 'yes' : 'no';
    return [id, name, source, to, triggerText(trigger), isOn, declared ? 'file' : 'API'];
  });
  stdout.write(table(['ID', 'NAME', 'FROM', 'TO', 'RUNS', 'ON', 'MADE BY'], rows));
}

function triggerText(trigger: ReplicationPolicy['trigger']): string {
  if (trigger === 'manual') return 'by hand';
  if ('event' in trigger) return `on ${trigger.event}`;
  return `${trigger.cron} ${trigger.timeZone}`;
}

/** As the configuration file would have it. */
async function showPolicy({ command, api, streams: { stdout } }: Asked): Promise<void> {
  const policy = await policyNamed(api, command.subject);
  if (command.isJson) return writeJson(stdout, policy);
  const { id, name, declared, rules, updatedAt } = policy;
  const origin = declared ? 'of the configuration file' : 'made by the API';
  stdout.write(`# replication policy ${id}, ${origin}, changed ${updatedAt}\n`);
  stdout.write(yamlText({ [name]: rules }));
}

async function startPolicy({ command, api, streams }: Asked): Promise<void> {
  const { id: policy } = await policyNamed(api, command.subject);
  const verb = command.isDryRun ? 'dry-run' : 'start';
  const { id } = await api.post(`${POLICIES}/${policy}/${verb}`, z.unknown());
  if (id === undefined) throw new CommandFailed('the node does not say which execution it started');
  if (command.isDryRun || command.waits) return waited({ command, api, streams }, id);
  if (command.isJson) return writeJson(streams.stdout, { id });
  streams.stdout.write(`Execution ${id} started.\n`);
}

/** All executions of it that are not over. */
async function stopPolicy({ command, api, streams: { stdout } }: Asked): Promise<void> {
  const { id, name } = await policyNamed(api, command.subject);
  const query = `q=${encodeURIComponent(`policy=${id},status={waiting running}`)}`;
  const stopped = [];
  for (const execution of await Array.fromAsync(api.list(`${EXECUTIONS}?${query}`, Execution))) {
    await api.post(`${EXECUTIONS}/${execution.id}/stop`, z.unknown());
    stopped.push(execution.id);
  }
  if (command.isJson) return writeJson(stdout, { stopped });
  const what = stopped.length === 0 ? 'Nothing of' : `Executions ${stopped.join(', ')} of`;
  stdout.write(`${what} ${name} ${stopped.length === 0 ? 'runs' : 'stopped'}.\n`);
}

/**
 * The failed tasks of its last run: what failed in one before is in that as well, or is not selected any more. Events and pushes
 * have executions of their own, which are not in those that came later: the newest that failed is done again.
 */
async function retryPolicy(asked: Asked): Promise<void> {
  const { api, command } = asked;
  const { id, name } = await policyNamed(api, command.subject);
  const newest = `page_size=${MOST_LISTED}&q=${encodeURIComponent(`policy=${id}`)}`;
  for (const execution of await api.get(`${EXECUTIONS}?${newest}`, z.array(Execution))) {
    if (execution.isDryRun || (await wasSkipped(api, execution))) continue;
    const isRun = execution.trigger === 'manual' || execution.trigger === 'schedule';
    if (isRun || execution.failed > 0) return retryExecution(asked, execution.id);
  }
  throw new CommandFailed(`nothing of ${name} failed`);
}

/** By `overlap: skip`: it did nothing, and would not again. */
async function wasSkipped(api: NodeApi, { id, failed, total }: Execution): Promise<boolean> {
  if (failed !== 1 || total !== 1) return false;
  const [task] = await failuresOf(nodeExecutions(api), id);
  return task?.kind === 'skipped';
}

async function listExecutions({ command, api, streams: { stdout } }: Asked): Promise<void> {
  const filters: string[] = [];
  if (command.status !== undefined) filters.push(`status=${command.status}`);
  if (command.policy !== undefined) {
    filters.push(`policy=${(await policyNamed(api, command.policy)).id}`);
  }
  const query = `page_size=${MOST_LISTED}&q=${encodeURIComponent(filters.join(','))}`;
  const executions = await api.get(`${EXECUTIONS}?${query}`, z.array(Execution));
  if (command.isJson) return writeJson(stdout, executions.map(executionJson));
  stdout.write(executionTable(executions));
}

async function showExecution({ command, api, streams: { stdout } }: Asked): Promise<void> {
  const executions = nodeExecutions(api);
  const execution = await executions.execution(idOf(command.subject));
  const failures = await failuresOf(executions, execution.id);
  if (command.isJson) return writeJson(stdout, { ...executionJson(execution), failures });
  stdout.write(executionTable([execution]));
  if (failures.length > 0) stdout.write(`\n${failureTable(failures)}`);
  if (execution.isDryRun) await writeFindings(executions, execution.id, stdout);
}

async function stopExecution({ command, api, streams: { stdout } }: Asked): Promise<void> {
  const id = idOf(command.subject);
  const { status } = await nodeExecutions(api).execution(id);
  const isOver = status !== 'running' && status !== 'waiting';
  if (!isOver) await api.post(`${EXECUTIONS}/${id}/stop`, z.unknown());
  if (command.isJson) return writeJson(stdout, { stopped: isOver ? [] : [id] });
  stdout.write(`Execution ${id} ${isOver ? `was over: ${status}` : 'stopped'}.\n`);
}

async function retryExecution({ command, api, streams }: Asked, id: number): Promise<void> {
  const retry = `${EXECUTIONS}/${id}/retry`;
  const { retried } = (await api.post(retry, z.object({ retried: z.int() }))).said;
  if (command.waits) return waited({ command, api, streams }, id);
  if (command.isJson) return writeJson(streams.stdout, { id, retried });
  streams.stdout.write(`${retried} tasks of execution ${id} are done again.\n`);
}

/** To its end. @throws CommandFailed where it did not succeed */
async function waited({ command, api, streams }: Asked, id: number): Promise<void> {
  const { stdout, stderr, signal } = streams;
  const executions = nodeExecutions(api);
  const execution = await watched(executions, id, { stderr, signal });
  const failures = await failuresOf(executions, id);
  if (command.isJson) {
    const found = command.isDryRun
      ? {
          findings: await Array.fromAsync(executions.findings(id)),
          total: await executions.findingTotal(id),
        }
      : {};
    writeJson(stdout, { ...executionJson(execution), failures, ...found });
  } else {
    if (command.isDryRun) await writeFindings(executions, id, stdout);
    else if (failures.length > 0) stdout.write(failureTable(failures));
    stdout.write(endText(execution));
  }
  if (execution.status !== 'succeeded') {
    throw new CommandFailed(`execution ${id} of ${execution.policyName} ${execution.status}`);
  }
}

async function watched(
  executions: Executions,
  id: number,
  { stderr, signal }: Pick<Streams, 'stderr' | 'signal'>,
): Promise<Execution> {
  using display = progressOn(stderr, () => performance.now());
  try {
    return await watchExecution(executions, id, { display, signal });
  } catch (cause) {
    if (!signal.aborted) throw cause;
    throw new CommandFailed(`execution ${id} goes on; portolan executions stop ${id} ends it`, {
      cause,
    });
  }
}

/** By its name; or by its id, where none is called so. @throws CommandFailed */
async function policyNamed(api: NodeApi, subject: string): Promise<Policy> {
  // A filter's text has escapes of its own: the names are compared here.
  for await (const policy of api.list(POLICIES, Policy)) if (policy.name === subject) return policy;
  if (!/^\d+$/.test(subject)) throw new CommandFailed(`there is no replication policy ${subject}`);
  return api.get(`${POLICIES}/${subject}`, Policy);
}

/** @throws UsageError */
function idOf(subject: string): number {
  if (/^\d{1,15}$/.test(subject)) return Number(subject);
  throw new UsageError(`${subject} is no id of an execution`);
}

function executionJson(execution: Execution): object {
  return Object.fromEntries(
    Object.entries(execution).map(([name, value]: [string, unknown]) => [
      name,
      name.endsWith('At') && typeof value === 'number' ? new Date(value).toISOString() : value,
    ]),
  );
}
