/** Executions as people read them. */
import {
  type Execution,
  type Executions,
  type Finding,
  type FindingTotal,
  type Task,
} from './executions.ts';
import { plain, sizeText, table } from './table.ts';

export function executionTable(executions: readonly Execution[]): string {
  const header = [
    'ID',
    'POLICY',
    'STATUS',
    'TRIGGER',
    'BY',
    'TASKS',
    'FAILED',
    'MOVED',
    'BEGAN',
    'TOOK',
  ];
  return table(
    header,
    executions.map((execution) => [
      execution.id,
      execution.isDryRun ? `${execution.policyName} (dry run)` : execution.policyName,
      execution.status,
      execution.trigger,
      execution.operator,
      `${execution.total - execution.live}/${execution.total}`,
      execution.failed,
      sizeText(execution.bytes),
      timeText(execution.startedAt ?? execution.createdAt),
      durationText(execution),
    ]),
  );
}

export function failureTable(failures: readonly Task[]): string {
  return table(
    ['TASK', 'OF', 'FAILED', 'WHY'],
    failures.map((task) => [task.kind, artifactText(task), task.failure, task.reason]),
  );
}

/** What became of each artifact. */
export async function* copiedLines(tasks: AsyncIterable<Task>): AsyncIterable<string> {
  for await (const task of tasks) yield copiedText(task);
}

/** A line for what a task did about one artifact; none for what is no end in itself. */
function copiedText(task: Task): string {
  const { kind, note = '' } = task;
  const isArtifact = kind === 'sync-ref' || kind === 'put-manifests';
  const isEnd = note === 'copied' || note.startsWith('skipped');
  const isTold = kind === 'delete-tag' || (isArtifact && isEnd);
  return isTold ? plain(`${artifactText(task)}: ${note}`).concat('\n') : '';
}

function artifactText({ resource, tag, digest }: Task): string {
  return `${resource}${tag === undefined ? atDigest(digest) : `:${tag}`}`;
}

/** One line that says how it ended. */
export function endText(execution: Execution): string {
  const { id, policyName, status, total, failed, bytes } = execution;
  const failures = failed === 0 ? '' : `, ${failed} of them failed`;
  const name = plain(policyName);
  return `Execution ${id} of ${name} ${status}: ${total} tasks${failures}, ${sizeText(bytes)} in ${durationText(execution)}.\n`;
}

/** What a dry run found, a row at a time: there may be more than fits in memory. */
async function* findingLines(
  { findings }: Pick<Executions, 'findings'>,
  execution: number,
): AsyncIterable<string> {
  for await (const finding of findings(execution)) {
    if (finding.action !== 'pending') yield `${findingText(finding)}\n`;
  }
}

function findingText({ action, repository = '*', tag, digest, destination, bytes, why }: Finding) {
  const from = `${repository}${tag === undefined ? atDigest(digest) : `:${tag}`}`;
  const to = destination && ` to ${destination.endpoint}/${destination.repository}`;
  const size = bytes === undefined ? '' : `, ${sizeText(bytes)}`;
  return plain(
    `${action.padEnd(6)}  ${from}${to ?? ''}${size}${why === undefined ? '' : `: ${why}`}`,
  );
}

function atDigest(digest: string | undefined): string {
  return digest === undefined ? '' : `@${digest}`;
}

function totalText({ copy, skip, delete: gone, fail, bytes, blobs }: FindingTotal): string {
  return `Would copy ${copy} (${sizeText(bytes)} in ${blobs} blobs), skip ${skip}, delete ${gone}, fail at ${fail}.\n`;
}

function timeText(at: number): string {
  return new Date(at).toISOString().replace(/\.\d+Z$/, 'Z');
}

function durationText({ startedAt, endedAt }: Pick<Execution, 'startedAt' | 'endedAt'>): string {
  if (startedAt === undefined || endedAt === undefined) return '';
  const seconds = (endedAt - startedAt) / 1000;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** What a dry run found, and the sum. */
export async function writeFindings(
  executions: Pick<Executions, 'findings' | 'findingTotal'>,
  id: number,
  stdout: NodeJS.WritableStream,
): Promise<void> {
  await writeLines(stdout, findingLines(executions, id));
  stdout.write(totalText(await executions.findingTotal(id)));
}

/** As far as somebody reads. */
export async function writeLines(
  stdout: NodeJS.WritableStream,
  lines: AsyncIterable<string>,
): Promise<void> {
  for await (const line of lines) {
    if (!stdout.writable) return;
    stdout.write(line);
  }
}

export function writeJson(stdout: NodeJS.WritableStream, value: unknown): void {
  stdout.write(`${JSON.stringify(value, undefined, 2)}\n`);
}
