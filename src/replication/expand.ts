/** What a policy selects at its source, found page by page: repositories, then the tags of each that differ. */
import { destinationOf } from '../../policies/replication-naming.ts';
import {
  listsNoMoreThan,
  selectsRepository,
  selectsTag,
} from '../../policies/replication-selection.ts';
import type { NewTask, RunningTask, TaskOutcome } from '../jobs/task.ts';
import type { Digest } from '../oci/digest.ts';
import { OciError } from '../oci/error.ts';
import { Expand, ExpandRepository, type SyncReference } from './payloads.ts';
import type { Run, Runs } from './run.ts';
import type { Destination, Source, SourceTag, Waiting } from './sides.ts';

/** Repositories, and tags that differ, of one pass. */
const PAGE = 500;
/** Bytes that a question about a repository is taken for. */
const QUESTION_COST = 64 * 1024;

export async function expand(task: RunningTask, runs: Runs): Promise<TaskOutcome> {
  const run = await runs(task.execution);
  const source = await run.source();
  const { after } = Expand.parse(task.payload);
  const names = listsNoMoreThan(run.rules.repositories);
  const page: string[] = [];
  const listed = names ?? source.repositories({ signal: task.signal });
  let isPast = after === undefined;
  for await (const repository of listed) {
    if (isPast && selectsRepository(repository, run.rules.repositories)) page.push(repository);
    if (repository === after) isPast = true;
    if (page.length === PAGE) break;
  }
  const next = page.map((repository) => repositoryTask(run, source, repository));
  const last = page.at(-1);
  if (page.length < PAGE || last === undefined) return { next };
  return { next, again: { payload: { after: last } } };
}

export function expandTask(rules: Run['rules'], host: string | undefined): NewTask {
  const hosts = host === undefined ? [] : [host];
  return { kind: 'expand', hosts, cost: QUESTION_COST, payload: {}, priority: rules.priority };
}

function repositoryTask({ rules }: Run, { host }: Source, repository: string): NewTask {
  return {
    kind: 'expand-repository',
    hosts: host === undefined ? [] : [host],
    cost: QUESTION_COST,
    payload: { repository },
    resource: repository,
    priority: rules.priority,
  };
}

export async function expandRepository(task: RunningTask, runs: Runs): Promise<TaskOutcome> {
  const run = await runs(task.execution);
  const source = await run.source();
  const { repository, after } = ExpandRepository.parse(task.payload);
  const tags = selected(run, await source.tags(repository, task)).filter(
    ({ name }) => after === undefined || name > after,
  );
  const next: NewTask[] = [];
  let last: string | undefined;
  const comparisons = await Promise.all(
    run.rules.destinations.map((_, index) => comparisonOf(run, { repository, index }, task)),
  );
  for (const tag of tags) {
    if (next.length >= PAGE) break;
    last = tag.name;
    const digest = tag.digest ?? (await source.digestOf(repository, tag.name, task));
    for (const comparison of comparisons) {
      if (await comparison.has(tag.name, digest)) continue;
      next.push(
        referenceTask(run, source, { ...comparison.place, tag: tag.name, digest }, comparison.to),
      );
    }
  }
  const isAll = last === undefined || last === tags.at(-1)?.name;
  if (isAll) return { next, note: `${tags.length} tags selected, ${next.length} differ` };
  return { next, again: { payload: { repository, after: last } } };
}

/** In the order of their names, which is the cursor's. */
function selected({ rules }: Run, tags: readonly SourceTag[]): readonly SourceTag[] {
  return tags
    .filter(({ name }) => selectsTag(name, rules.tags))
    .toSorted((one, other) => (one.name < other.name ? -1 : 1));
}

interface Comparison {
  readonly place: Pick<SyncReference, 'from' | 'destination' | 'to'>;
  readonly to: Destination;
  /** Whether the tag is there, points to that, and has all that it needs. */
  has(tag: string, digest: Digest): Promise<boolean>;
}

async function comparisonOf(
  run: Run,
  { repository, index }: { readonly repository: string; readonly index: number },
  { signal }: Waiting,
): Promise<Comparison> {
  const to = await run.destination(index);
  const name = nameAt(run, repository, index);
  const tags = await to.tags(name, { signal });
  return {
    place: { from: repository, destination: index, to: name },
    to,
    async has(tag, digest) {
      const held = tags === undefined ? await to.held(name, tag, { signal }) : tags.get(tag);
      return held?.digest === digest && held.isWhole;
    },
  };
}

/** @throws OciError NAME_INVALID where the rules give it no name there */
function nameAt({ rules }: Run, repository: string, index: number): string {
  const destination = rules.destinations[index];
  if (destination === undefined) throw new OciError('NAME_INVALID', { detail: repository });
  const named = destinationOf({ repository, endpoint: rules.source }, destination);
  if ('repository' in named) return named.repository;
  throw new OciError('NAME_INVALID', { message: named.refused });
}

/** To look at one tag, or at one manifest by its digest, and copy what is missing of it. */
export function referenceTask(
  { rules }: Pick<Run, 'rules'>,
  source: Pick<Source, 'host'>,
  payload: SyncReference,
  destination: Pick<Destination, 'endpoint' | 'host'>,
): NewTask {
  const reference = payload.tag ?? payload.digest;
  return {
    kind: 'sync-ref',
    key: `ref ${destination.endpoint} ${payload.to} ${reference}`,
    hosts: hostsOf(source, destination),
    cost: QUESTION_COST,
    payload,
    resource: payload.from,
    priority: rules.priority,
  };
}

export function hostsOf(
  source: Pick<Source, 'host'>,
  destination: Pick<Destination, 'host'>,
): readonly string[] {
  return [source.host, destination.host].filter((host) => host !== undefined);
}
