/** What a policy selects at its source, found page by page: repositories, then the tags of each that differ. */
import type { z } from 'zod';
import {
  type Claim,
  destinationOf,
  mayCallAlike,
  namingConflicts,
} from '../../policies/replication-naming.ts';
import { listsNoMoreThan, selectsRepository } from '../../policies/replication-selection.ts';
import type { NewTask, RunningTask, TaskOutcome } from '../jobs/task.ts';
import { OciError } from '../oci/error.ts';
import { ManagementError } from '../oci/management-error.ts';
import { type ChosenTag, chosenTags, selectedTags } from './choice.ts';
import type { List, Listings } from './listings.ts';
import { beforeDeletions, deletionsAt, withinLimit } from './mirror.ts';
import { Expand, ExpandRepository, type SyncReference } from './payloads.ts';
import { type Asker, keyOf, type Run, type Runs } from './run.ts';
import { type Destination, hostsOf, type Source, type Waiting } from './sides.ts';

/** Tags that differ of one pass. */
const PAGE = 500;
/** Tags that are compared at the same time. */
const MOST_AT_ONCE = 8;
/** To ask for fewer tags one by one is less than to list them, of which there may be many more than are chosen. */
const LISTED_FROM = 32;
/** Bytes that a question about a repository is taken for. */
const QUESTION_COST = 64 * 1024;

/**
 * A page of the source's repositories, and the task for the next one. That is claimed after this page's repositories, in whose
 * lane it is, so that copying begins while the rest is still to be asked for.
 */
export async function expand(
  task: RunningTask,
  runs: Runs,
  listings: Listings,
): Promise<TaskOutcome> {
  const run = await runs(task.execution);
  const source = await run.source();
  const { after } = Expand.parse(task.payload);
  const { repositories } = run.rules;
  const named = listsNoMoreThan(repositories);
  const list: List = named
    ? async function* () {
        yield* named;
      }
    : (options) => source.repositories(repositories, options);
  if (after.length === 0) await refuseConflicts(run, list, task);
  const isSelected = (repository: string) => selectsRepository(repository, repositories);
  const place = { list, last: after, isSelected };
  const { names, last } = await listings.page(task.execution, place, task);
  const tasks = names.map((repository) => repositoryTask(run, source, repository));
  if (last !== undefined) tasks.push(expandTask(run.rules, source.host, { after: [...last] }));
  return { next: after.length === 0 ? beforeDeletions(run, tasks) : tasks };
}

/**
 * Reads all names first where two may be called alike, and keeps none of them afterwards.
 *
 * @throws ManagementError CONFLICT where two repositories would have one name, and the last that is copied would win
 */
async function refuseConflicts({ rules }: Run, list: List, { signal }: Waiting): Promise<void> {
  const ambiguous = rules.destinations.filter(mayCallAlike);
  if (ambiguous.length === 0) return;
  const claims: Claim[] = [];
  for await (const repository of list({ signal })) {
    if (!selectsRepository(repository, rules.repositories)) continue;
    const source = { endpoint: rules.source, repository };
    for (const destination of ambiguous) {
      const named = destinationOf(source, destination);
      if (!('repository' in named)) continue;
      const { endpoint } = destination;
      claims.push({ source, endpoint, repository: named.repository });
    }
  }
  const [conflict] = namingConflicts(claims);
  if (conflict === undefined) return;
  const sources = conflict.sources.map(({ repository }) => repository).join(' and ');
  throw new ManagementError('CONFLICT', `${sources} would both be ${conflict.repository}`);
}

/** What waits for it waits for what it leads to. */
export function expandTask(
  { priority }: Run['rules'],
  host: string | undefined,
  payload: z.input<typeof Expand> = {},
): NewTask {
  const hosts = host === undefined ? [] : [host];
  return { kind: 'expand', hosts, cost: QUESTION_COST, payload, priority, replaces: true };
}

/** To look at all of a repository. Fails where a destination has no name for it. */
export function repositoryTask(
  { rules }: Pick<Run, 'rules'>,
  { host }: Pick<Source, 'host'>,
  repository: string,
): NewTask {
  return {
    kind: 'expand-repository',
    hosts: host === undefined ? [] : [host],
    cost: QUESTION_COST,
    payload: { repository },
    resource: repository,
    priority: rules.priority,
    replaces: true,
  };
}

export async function expandRepository(
  task: RunningTask,
  runs: Runs,
  now: () => number,
): Promise<TaskOutcome> {
  const run = await runs(task.execution);
  const source = await run.source();
  const { repository, after } = ExpandRepository.parse(task.payload);
  const { signal } = task;
  const tags = await selectedTags(run, source, repository, { signal });
  const many = tags.selected.length >= LISTED_FROM;
  const comparisons = await Promise.all(
    run.rules.destinations.map((_, index) =>
      comparisonOf(run, { repository, index, many }, { signal }),
    ),
  );
  const isKnown = (tag: string): boolean => comparisons.some(({ mayHave }) => mayHave(tag));
  const asked = { rules: run.rules, source, repository };
  const chosen = await chosenTags(tags, asked, { signal, now: now(), isKnown });
  const next: NewTask[] = [];
  const left = chosen.filter(({ name }) => after === undefined || name > after);
  for (let start = 0; start < left.length; start += MOST_AT_ONCE) {
    const together = left.slice(start, start + MOST_AT_ONCE);
    const differing = await Promise.all(together.map((tag) => differingAt(comparisons, tag)));
    next.push(
      ...differing
        .flat()
        .map(({ place, to, tag: { name: tag, digest } }) =>
          referenceTask(run, source, { ...place, tag, digest, isChosen: true }, to),
        ),
    );
    const last = together.at(-1)?.name;
    if (next.length >= PAGE && last !== left.at(-1)?.name) {
      return { next, again: { payload: { repository, after: last } } };
    }
  }
  const differing = next.length;
  const deletions: NewTask[] = [];
  for (const { place, to } of comparisons) {
    const mirrored = { place, to, chosen, listed: tags.listed };
    deletions.push(...(await deletionsAt(run, mirrored, { signal })));
  }
  const rivals = await rivalsNote(run, repository, comparisons);
  next.push(...withinLimit(run, deletions, next.length));
  return { next, note: `${chosen.length} tags selected, ${differing} differ${rivals}` };
}

/** What somebody should know who wonders why tags move to and fro. */
async function rivalsNote(
  run: Run,
  repository: string,
  comparisons: readonly Comparison[],
): Promise<string> {
  const rivals = await Promise.all(
    comparisons.map(({ place, to: { endpoint } }) =>
      run.rivals({ repository, to: { endpoint, repository: place.to } }),
    ),
  );
  const names = [...new Set(rivals.flat())];
  if (names.length === 0) return '';
  return `; what ${names.join(' and ')} copies may have the same name there`;
}

interface Comparison {
  readonly place: Pick<SyncReference, 'from' | 'destination' | 'to'>;
  readonly to: Destination;
  /** False where there is no such tag. */
  readonly mayHave: (tag: string) => boolean;
  /** Whether the tag is there, points to that, and has all that it needs. */
  readonly has: (tag: ChosenTag) => Promise<boolean>;
}

/** The destinations that lack the tag, or have it as something else. */
async function differingAt(
  comparisons: readonly Comparison[],
  tag: ChosenTag,
): Promise<readonly (Pick<Comparison, 'place' | 'to'> & { readonly tag: ChosenTag })[]> {
  const isThere = await Promise.all(comparisons.map(({ has }) => has(tag)));
  return comparisons
    .filter((_, index) => isThere[index] === false)
    .map(({ place, to }) => ({ place, to, tag }));
}

async function comparisonOf(
  run: Run,
  {
    repository,
    index,
    many,
  }: { readonly repository: string; readonly index: number; readonly many: boolean },
  { signal }: Waiting,
): Promise<Comparison> {
  const to = await run.destination(index);
  const name = nameAt(run, repository, index);
  const tags = await to.tags(name, { signal });
  const isListed = tags === undefined && many;
  const listed = isListed ? await to.listed(name, { signal }) : undefined;
  const names = tags ?? (listed && new Set(listed.map((tag) => tag.name)));
  const mayHave = (tag: string): boolean => names?.has(tag) ?? true;
  return {
    place: { from: repository, destination: index, to: name },
    to,
    mayHave,
    async has({ name: tag, digest }) {
      if (run.rules.recheck || !mayHave(tag)) return false;
      const held = tags === undefined ? await to.held(name, tag, { signal }) : tags.get(tag);
      return held !== undefined && held.digest === digest && held.isWhole;
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

/** How far before what nobody waits for. */
const AHEAD = 1_000;

/** Of what is done about a reference: what somebody waits for comes first. */
export function priorityOf(
  { rules }: Pick<Asker, 'rules'>,
  { isAhead = false }: Pick<SyncReference, 'isAhead'>,
): number {
  return rules.priority + (isAhead ? AHEAD : 0);
}

/** The end of its keys: what is ahead of its tag is never part of what is not, which asks the source for the tag. */
export function aheadIn({ isAhead = false }: Pick<SyncReference, 'isAhead'>): string {
  return isAhead ? ' ahead' : '';
}

/** To look at one tag, or at one manifest by its digest, and copy what is missing of it. */
export function referenceTask(
  asker: Asker,
  source: Pick<Source, 'host'>,
  payload: SyncReference,
  destination: Pick<Destination, 'endpoint' | 'host'>,
): NewTask {
  // With its digest: what was pushed while a copy of the tag is under way is another thing to do.
  const reference = [payload.tag, payload.digest].filter((part) => part !== undefined).join('@');
  return {
    kind: 'sync-ref',
    key: `${keyOf(asker, 'ref')} ${destination.endpoint} ${payload.to} ${reference}${aheadIn(payload)}`,
    hosts: hostsOf(source, destination),
    cost: QUESTION_COST,
    payload,
    resource: payload.from,
    priority: priorityOf(asker, payload),
  };
}
