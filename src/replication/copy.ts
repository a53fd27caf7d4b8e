/** Copying one artifact: what it needs, its blobs, then its manifests, and its tag last. */
import type { z } from 'zod';
import { selectsArtifact } from '../../policies/replication-selection.ts';
import type { NewTask, RunningTask, TaskOutcome } from '../jobs/task.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import { OciError } from '../oci/error.ts';
import { artifactFacts, belongsElsewhere } from './artifact-facts.ts';
import { type Closure, closureOf } from './closure.ts';
import { CountedBlobs } from './counted-blobs.ts';
import { aheadIn, priorityOf } from './expand.ts';
import { wouldCopy } from './findings.ts';
import { Looks } from './looks.ts';
import { CopyBlob, type Place, PutManifests, SyncReference } from './payloads.ts';
import type { Planning } from './planning.ts';
import { putAtOnce, putManifests } from './put.ts';
import { type Asker, keyOf, type Runs } from './run.ts';
import { type Destination, hostsOf, type Source } from './sides.ts';
import { tagAt } from './tag-at.ts';

const SMALLEST_COST = 64 * 1024;

export interface Copying {
  syncReference(task: RunningTask): Promise<TaskOutcome>;
  copyBlob(task: RunningTask): Promise<TaskOutcome>;
  putManifests(task: RunningTask): Promise<TaskOutcome>;
}

/** `now`: milliseconds UTC. */
export function createCopying(runs: Runs, now: () => number): Copying {
  const counted = new CountedBlobs();
  const looks = new Looks(now);
  return {
    async syncReference(task) {
      const run = await runs(task.execution);
      const plan = SyncReference.parse(task.payload);
      const [source, destination] = await Promise.all([
        run.source(),
        run.destination(plan.destination),
      ]);
      return syncReference(task, { run, plan, source, destination }, counted);
    },

    async copyBlob(task) {
      const { signal } = task;
      const run = await runs(task.execution);
      const { from, to, destination: index, digest, size } = CopyBlob.parse(task.payload);
      const destination = await run.destination(index);
      // An attempt before this one may have ended between the last byte and the note of it.
      const isAgain = task.attempt > 1;
      if (isAgain && (await destination.missingBlobs(to, [digest], { signal })).length === 0) {
        return { note: 'there already' };
      }
      const blob = { source: await run.source(), repository: from, digest, size };
      const way = await destination.copyBlob(blob, to, {
        signal,
        moved: (bytes) => task.progress(bytes),
        waits: size <= SMALL_BYTES,
      });
      // What is large may take hours: others at the same registry get the slot meanwhile.
      if (way === 'under way') return { notBefore: looks.next(), note: 'waits to be mounted' };
      return { note: way };
    },

    async putManifests({ execution, payload, signal }) {
      const run = await runs(execution);
      const plan = PutManifests.parse(payload);
      const source = await run.source();
      const destination = await run.destination(plan.destination);
      return putManifests({ run, plan, source, destination }, signal);
    },
  };
}

async function syncReference(
  task: RunningTask,
  planning: Planning,
  counted: CountedBlobs,
): Promise<TaskOutcome> {
  const { run, plan, source, destination } = planning;
  const { signal } = task;
  const { from, to, tag } = plan;
  // Before all questions, of which thousands that wait would ask thousands each time.
  source.assertPulls?.();
  const digest = await digestOf(source, plan, signal);
  if (digest === undefined) return goneFrom(plan);
  // First of all: without its own place there, another one of that name might answer (a proxy for what is not there).
  if (!run.isDryRun) await destination.prepare(to, { signal });
  const held = await destination.held(to, tag ?? digest, { signal });
  if (held?.digest === digest && held.isWhole && !run.rules.recheck) {
    return { note: 'skipped: it is there' };
  }
  if (held !== undefined && held.digest !== digest && !run.rules.override) {
    return { note: `skipped: ${tag} is ${held.digest} there, and override is off` };
  }
  await destination.admit(to);
  const root = await source.manifest(from, digest, { signal });
  const closure = await closureOf(root, {
    manifest: (child) => source.manifest(from, child, { signal }),
    referrers: async (subject) =>
      run.rules.referrers ? source.referrers(from, subject, { signal }) : [],
    platforms: run.rules.platforms,
  });
  const facts = await artifactFacts(planning, root, closure.size, signal);
  const selection = selectsArtifact(facts, run.rules);
  if (!selection.isSelected) return { note: `skipped: ${selection.why}` };
  const isBeside = await belongsElsewhere(planning, root, signal);
  if (isBeside) return { note: 'skipped: what it belongs to is left out' };
  const sizes = new Map(closure.blobs.map((blob) => [blob.digest, blob.size]));
  const missingAt = performance.now();
  const missing = await destination.missingBlobs(to, [...sizes.keys()], { signal });
  if (missing.length === 0 && (await hasAll(planning, { digest, tag, closure }, signal))) {
    return { note: 'skipped: all that is wanted of it is there' };
  }
  if (run.isDryRun) {
    const found = { blobs: closure.blobs, missing };
    return { note: wouldCopy(digest, counted.count(task, `${destination.endpoint} ${to}`, found)) };
  }
  const needed = { digest, closure, missing: new Set(missing), missingAt, held: held?.digest };
  const blobs = closure.blobs.filter((blob) => needed.missing.has(blob.digest));
  if (isSmall(blobs)) return copyAtOnce(task, planning, needed);
  const next = copyTasks(planning, needed);
  return { next, note: `${missing.length} of ${sizes.size} blobs are missing` };
}

/** Where rows for each blob cost more than moving it does (docs/performance.md 10). */
const SMALL_BYTES = 6 * 1024 * 1024;
const MOST_SMALL = 16;

function isSmall(blobs: readonly Descriptor[]): boolean {
  const bytes = blobs.reduce((sum, { size }) => sum + size, 0);
  return blobs.length <= MOST_SMALL && bytes <= SMALL_BYTES;
}

/** All that is missing, in the task that found it missing. */
async function copyAtOnce(
  { signal, progress, log }: RunningTask,
  planning: Planning,
  needed: Needed & { readonly missingAt: number; readonly held: Digest | undefined },
): Promise<TaskOutcome> {
  const { plan, source, destination } = planning;
  const { from, to } = plan;
  const { missingAt, held } = needed;
  const blobs = needed.closure.blobs.filter(({ digest }) => needed.missing.has(digest));
  const copies = await Promise.allSettled(
    blobs.map(async ({ digest, size }) => {
      const blob = { source, repository: from, digest, size };
      try {
        await destination.copyBlob(blob, to, { signal, moved: progress, missingAt });
      } catch (error) {
        log(`blob ${digest}: ${error instanceof Error ? error.message : String(error)}`);
        // Of several, the one that it was; other errors say which host, and mean all of them.
        if (!(error instanceof OciError)) throw error;
        throw new OciError(error.code, { message: `blob ${digest} of ${from}`, cause: error });
      }
    }),
  );
  // Not before all of them have ended: nothing of a task goes on behind it.
  const failed = copies.find(({ status }) => status === 'rejected');
  if (failed?.status === 'rejected') throw failed.reason;
  return putAtOnce({ ...planning, plan: puttingOf(planning, needed) }, held, signal);
}

interface Needed {
  readonly digest: Digest;
  readonly closure: Closure;
  readonly missing: ReadonlySet<Digest>;
}

/** What refers to it comes after it, and before its tag: who pulls by the tag finds the signatures there. */
function puttingOf(
  { plan }: Planning,
  { digest, closure }: Pick<Needed, 'digest' | 'closure'>,
): z.output<typeof PutManifests> {
  const { digest: _, isAhead = false, isChosen = false, attempt = 0, ...place } = plan;
  const isLast = closure.manifests.at(-1) === digest;
  const manifests = isLast ? [...closure.manifests] : [...closure.manifests, digest];
  return { ...place, manifests, isSparse: closure.isSparse, isAhead, isChosen, attempt };
}

/** The largest first, which takes longest and has a slot to itself; the others, small ones first, pass it in theirs. */
function inTurn(blobs: readonly Descriptor[]): readonly Descriptor[] {
  const bySize = blobs.toSorted((one, other) => one.size - other.size);
  const largest = bySize.pop();
  return largest === undefined ? [] : [largest, ...bySize];
}

/** Blobs, each by itself, and then what needs them. */
function copyTasks(planning: Planning, needed: Needed): readonly NewTask[] {
  const { run, plan, source, destination } = planning;
  const { digest, closure, missing } = needed;
  const { from, to, tag } = plan;
  const place = { from, to, destination: plan.destination };
  const common = {
    resource: from,
    priority: priorityOf(run, plan),
    hosts: hostsOf(source, destination),
  };
  const blobs = inTurn(closure.blobs.filter((blob) => missing.has(blob.digest))).map(
    (blob): NewTask => ({ ...common, ...blobOf(run, place, destination, blob) }),
  );
  const put: NewTask = {
    ...common,
    kind: 'put-manifests',
    key: `${keyOf(run, 'put')} ${destination.endpoint} ${to} ${tag ?? digest} ${digest}${aheadIn(plan)}`,
    cost: SMALLEST_COST,
    payload: puttingOf(planning, { digest, closure }),
    after: blobs.map((_, index) => index),
  };
  return [...blobs, put];
}

/** Whether the tag points there already, and nothing of what the rules want is missing. */
async function hasAll(
  { run, plan, destination }: Planning,
  {
    digest,
    tag,
    closure,
  }: { readonly digest: Digest; readonly tag: string | undefined; readonly closure: Closure },
  signal: AbortSignal,
): Promise<boolean> {
  if (!closure.isSparse && !run.rules.recheck) return false;
  const held = await destination.held(plan.to, tag ?? digest, { signal });
  if (held?.digest !== digest) return false;
  for (const manifest of closure.manifests) {
    if ((await destination.held(plan.to, manifest, { signal })) === undefined) return false;
  }
  return true;
}

function blobOf(
  asker: Asker,
  place: Place,
  { endpoint }: Destination,
  { digest, size }: { readonly digest: Digest; readonly size: number },
): Pick<NewTask, 'kind' | 'key' | 'cost' | 'payload'> {
  return {
    kind: 'copy-blob',
    // By its policy: whose rules, whose source and whose place it is must not be another's.
    key: `${keyOf(asker, 'blob')} ${endpoint} ${place.to} ${digest}`,
    cost: Math.max(size, SMALLEST_COST),
    payload: { ...place, digest, size },
  };
}

/** @throws OciError MANIFEST_UNKNOWN where somebody waits for it, who must not be told that it is there */
function goneFrom({ from, tag, isAhead = false }: SyncReference): TaskOutcome {
  if (!isAhead) return { note: 'skipped: the source has it no more' };
  throw new OciError('MANIFEST_UNKNOWN', { message: `${from}:${tag} is not here any more` });
}

async function digestOf(
  source: Source,
  { from, tag, digest, isAhead = false }: SyncReference,
  signal: AbortSignal,
): Promise<Digest | undefined> {
  if (isAhead) return digest;
  return tag === undefined ? digest : tagAt(source, from, { tag, signal });
}
