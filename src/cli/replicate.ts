/**
 * A copy from registry to registry, once, in this process: the engine of a node over a data folder that is gone with it.
 * What is there already is found out by asking, so that one that broke off is done again and goes on.
 */
import { mkdtempDisposable, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Config, loadConfig } from '../config/load.ts';
import { readYaml } from '../config/yaml-source.ts';
import { dryRunPorts } from '../dry-run-ports.ts';
import { openEngine } from '../engine.ts';
import { RETRY_RULES } from '../jobs/failing.ts';
import type { JobLimits } from '../jobs/limits.ts';
import { ManagementError } from '../oci/management-error.ts';
import type { Replicating } from '../replicating.ts';
import { replicationControlPorts } from '../replication-control-ports.ts';
import { CommandFailed } from './command-failed.ts';
import {
  copiedLines,
  endText,
  failureTable,
  writeFindings,
  writeJson,
  writeLines,
} from './execution-text.ts';
import {
  Execution,
  type Executions,
  Finding,
  FindingTotal,
  failuresOf,
  Task,
  watchExecution,
} from './executions.ts';
import { progressOn } from './progress.ts';
import { type NamedRegistry, registryNamed } from './registries.ts';
import type { ReplicateCommand } from './replicate-arguments.ts';
import type { Streams } from './streams.ts';
import { UsageError } from './usage.ts';
import { VERSION } from './version.ts';

/** What the copy is called where policies have names. */
const NAME = 'replicate';
/** Somebody waits: a registry that is away is not waited for as a node would. */
const LIMITS: Partial<JobLimits> = {
  retry: { ...RETRY_RULES, attempts: 5, capMs: 30_000, patienceMs: 15_000 },
  pollMs: 200,
  progressMs: 500,
};
const PAGE = 100;
/** What a policy has that a copy, once, has not. */
const OF_A_POLICY = ['source', 'destinations', 'trigger', 'enabled'] as const;

/** @throws CommandFailed where anything could not be copied, and where it was stopped; UsageError */
export async function replicate(command: ReplicateCommand, streams: Streams): Promise<void> {
  const config = await loadConfig(command.sources);
  const { env } = command.sources;
  const from = await registryNamed(command.from, { config, env });
  if (from.namespace !== undefined) {
    throw new UsageError('--from is a registry: say by --repositories what of it');
  }
  const to = await registryNamed(command.to, { config, env });
  const rules = await rulesOf(command, { from, to });
  await using folder = await mkdtempDisposable(join(tmpdir(), 'portolan-'));
  await using opened = new AsyncDisposableStack();
  const { replicating } = await openEngine(opened, configFor(config, [from, to], folder.path), {
    version: VERSION,
    now: Date.now,
    limits: LIMITS,
  });
  const id = await started(replicating, rules, command);
  await tell(command, { ...streams, replicating, id });
}

/** Nothing of the configuration but what is needed to talk to the two. */
function configFor(config: Config, registries: readonly NamedRegistry[], data: string): Config {
  const byName = new Map(registries.map((registry) => [registry.name, registry]));
  const used = [...byName.values()];
  return {
    ...config,
    data,
    seed: false,
    endpoints: Object.fromEntries(used.map(({ name, endpoint }) => [name, endpoint])),
    declarations: {
      projects: [],
      endpoints: used.map(({ declaration }) => declaration),
      replication: [],
    },
  };
}

/** As the configuration file would have them. @throws UsageError, ConfigurationInvalid */
async function rulesOf(
  { rules, naming, rulesFile }: ReplicateCommand,
  { from, to }: { readonly from: NamedRegistry; readonly to: NamedRegistry },
): Promise<Readonly<Record<string, unknown>>> {
  const more = rulesFile === undefined ? {} : await rulesIn(rulesFile);
  const { namespace } = to;
  if (namespace !== undefined && 'namespace' in naming) {
    throw new UsageError('--to has a namespace, and --namespace says another');
  }
  const place = { endpoint: to.name, ...(namespace === undefined ? {} : { namespace }) };
  return {
    ...Object.assign({}, more, rules),
    source: from.name,
    destinations: [{ ...place, ...naming }],
    trigger: 'manual',
  };
}

/** @throws UsageError, ConfigurationInvalid */
async function rulesIn(file: string): Promise<object> {
  const { data } = readYaml(await textOf(file), file);
  if (typeof data !== 'object' || data === null || Array.isArray(data)) {
    throw new UsageError(`${file} has no rules`);
  }
  const said = OF_A_POLICY.filter((key) => key in data);
  if (said.length === 0) return data;
  throw new UsageError(
    `${file} says ${said.join(', ')}: --from and --to say from where and to where, and the copy is made now, once`,
  );
}

async function textOf(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new CommandFailed(`${file} cannot be read`, { cause });
  }
}

/** @returns the execution @throws UsageError for rules that are none */
async function started(
  { policies, replication, jobs }: Replicating,
  rules: unknown,
  { isDryRun }: ReplicateCommand,
): Promise<number> {
  try {
    const operator = { name: NAME, address: '' };
    const { id } = await policies.create({ name: NAME, written: rules }, operator);
    jobs.start();
    const options = { trigger: 'manual', operator: NAME, isDryRun } as const;
    const execution = await replication.start(await policies.get(id), options);
    if (execution !== undefined) return execution.id;
  } catch (cause) {
    if (cause instanceof ManagementError) throw new UsageError(cause.message);
    throw cause;
  }
  throw new CommandFailed('nothing was started');
}

/** To its end, which a signal brings about. */
async function tell(
  { isDryRun, isJson }: ReplicateCommand,
  {
    replicating,
    id,
    stdout,
    stderr,
    signal,
  }: Streams & {
    readonly replicating: Replicating;
    readonly id: number;
  },
): Promise<void> {
  const executions = executionsOf(replicating);
  const execution = await toItsEnd(replicating, id, { executions, stderr, signal });
  const failures = await failuresOf(executions, id);
  if (isJson) {
    const total = isDryRun ? { total: await executions.findingTotal(id) } : {};
    writeJson(stdout, { ...execution, failures, ...total });
  } else if (isDryRun) await writeFindings(executions, id, stdout);
  else {
    await writeLines(stdout, copiedLines(executions.tasks(id, 'succeeded')));
    if (failures.length > 0) stdout.write(failureTable(failures));
    stdout.write(endText(execution));
  }
  if (execution.status === 'succeeded') return;
  const done = isDryRun ? 'looked at' : 'copied';
  throw new CommandFailed(
    execution.status === 'stopped' ? `stopped before all was ${done}` : `not all could be ${done}`,
  );
}

async function toItsEnd(
  { jobs }: Replicating,
  id: number,
  {
    executions,
    stderr,
    signal,
  }: Pick<Streams, 'stderr' | 'signal'> & { readonly executions: Executions },
): Promise<Execution> {
  using display = progressOn(stderr, () => performance.now());
  let stopping: Promise<void> | undefined;
  const stop = (): void => {
    stopping = jobs.stop(id);
    // Awaited below: it must not count as unhandled until then.
    stopping.catch(() => {});
  };
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  // What runs ends by being stopped, within a chunk.
  const never = new AbortController();
  const execution = await watchExecution(executions, id, { display, signal: never.signal });
  signal.removeEventListener('abort', stop);
  await stopping;
  return execution;
}

/** Of this process. */
function executionsOf(replicating: Replicating): Executions {
  const control = replicationControlPorts(replicating, Date.now);
  const dryRuns = dryRunPorts(replicating);
  return {
    execution: async (id) => Execution.parse(await control.execution(id)),
    async *tasks(id, state) {
      const filters = [{ field: 'state', kind: 'exact', value: state }] as const;
      const sort = [{ field: 'id', descending: false }] as const;
      yield* pages(async (page) => {
        const { items } = await control.tasks(id, { ...page, filters, sort });
        return items.map((task) => Task.parse(task));
      });
    },
    async *findings(id) {
      yield* pages(async (page) => {
        const { items } = await dryRuns.findings(id, page);
        return items.map((finding) => Finding.parse(finding));
      });
    },
    findingTotal: async (id) => FindingTotal.parse(await dryRuns.total(id)),
  };
}

async function* pages<T>(
  read: (page: { readonly offset: number; readonly limit: number }) => Promise<readonly T[]>,
): AsyncIterable<T> {
  for (let offset = 0; ; offset += PAGE) {
    const items = await read({ offset, limit: PAGE });
    yield* items;
    if (items.length < PAGE) return;
  }
}
