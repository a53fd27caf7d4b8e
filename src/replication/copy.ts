/** Copying one artifact: what it needs, its blobs, then its manifests, and its tag last. */
import { LRUCache } from 'lru-cache';
import { isCompanion, isSigned } from '../../policies/replication-companions.ts';
import { type ArtifactFacts, selectsArtifact } from '../../policies/replication-selection.ts';
import type { NewTask, RunningTask, TaskOutcome } from '../jobs/task.ts';
import type { Digest } from '../oci/digest.ts';
import { OciError } from '../oci/error.ts';
import { type Manifest, parseManifest } from '../oci/manifest.ts';
import { closureOf } from './closure.ts';
import { CopyBlob, type Place, PutManifests, SyncReference } from './payloads.ts';
import { keyOf, type Run, type Runs } from './run.ts';
import { type Destination, hostsOf, type Source } from './sides.ts';

/** Manifests between their planning and their being put: asking twice would be counted twice (Docker Hub). */
const MANIFEST_BYTES = 64 * 1024 * 1024;
const SMALLEST_COST = 64 * 1024;

export interface Copying {
  syncReference(task: RunningTask): Promise<TaskOutcome>;
  copyBlob(task: RunningTask): Promise<TaskOutcome>;
  putManifests(task: RunningTask): Promise<TaskOutcome>;
}

export function createCopying(runs: Runs): Copying {
  const manifests = new ReadManifests();
  return {
    async syncReference(task) {
      const run = await runs(task.execution);
      const plan = SyncReference.parse(task.payload);
      const [source, destination] = await Promise.all([
        run.source(),
        run.destination(plan.destination),
      ]);
      return syncReference(task, { run, plan, source, destination, manifests });
    },

    async copyBlob(task) {
      const { signal } = task;
      const run = await runs(task.execution);
      const { from, to, destination: index, digest, size } = CopyBlob.parse(task.payload);
      const destination = await run.destination(index);
      const blob = { source: await run.source(), repository: from, digest, size };
      const way = await destination.copyBlob(blob, to, {
        signal,
        moved: (bytes) => task.progress(bytes),
      });
      return { note: way };
    },

    async putManifests({ execution, payload, signal }) {
      const run = await runs(execution);
      const plan = PutManifests.parse(payload);
      const source = await run.source();
      const destination = await run.destination(plan.destination);
      for (const [index, digest] of plan.manifests.entries()) {
        const manifest = await manifests.read(source, { repository: plan.from, digest, signal });
        const tag = index === plan.manifests.length - 1 ? plan.tag : undefined;
        await destination.put(plan.to, manifest, { tag, isSparse: plan.isSparse, signal });
      }
      return { note: 'copied' };
    },
  };
}

interface Planning {
  readonly run: Run;
  readonly plan: SyncReference;
  readonly source: Source;
  readonly destination: Destination;
  readonly manifests: ReadManifests;
}

async function syncReference(task: RunningTask, planning: Planning): Promise<TaskOutcome> {
  const { run, plan, source, destination, manifests } = planning;
  const { signal } = task;
  const { from, to, tag } = plan;
  const digest = await digestOf(source, plan, signal);
  const held = await destination.held(to, tag ?? digest, { signal });
  if (held?.digest === digest && held.isWhole) return { note: 'skipped: it is there' };
  if (held !== undefined && held.digest !== digest && !run.rules.override) {
    return { note: `skipped: ${tag} is ${held.digest} there, and override is off` };
  }
  if (!run.isDryRun) await destination.prepare(to, { signal });
  const root = await manifests.read(source, { repository: from, digest, signal });
  const closure = await closureOf(root, {
    manifest: (child) => manifests.read(source, { repository: from, digest: child, signal }),
    referrers: async (subject) =>
      run.rules.referrers ? source.referrers(from, subject, { signal }) : [],
    platforms: run.rules.platforms,
  });
  const facts = await artifactFacts(planning, root, closure.size, signal);
  const selection = selectsArtifact(facts, run.rules);
  if (!selection.isSelected) return { note: `skipped: ${selection.why}` };
  const sizes = new Map(closure.blobs.map((blob) => [blob.digest, blob.size]));
  const missing = await destination.missingBlobs(to, [...sizes.keys()], { signal });
  if (run.isDryRun) {
    const bytes = missing.reduce((sum, blob) => sum + (sizes.get(blob) ?? 0), 0);
    return { note: `would copy ${digest}: ${bytes} bytes in ${missing.length} blobs` };
  }
  const place = { from, to, destination: plan.destination };
  const common = {
    resource: from,
    priority: run.rules.priority,
    hosts: hostsOf(source, destination),
  };
  const blobs = missing.map(
    (blob): NewTask => ({
      ...common,
      ...blobOf(place, destination, { digest: blob, size: sizes.get(blob) ?? 0 }),
    }),
  );
  // What refers to it comes after it, and before its tag: who pulls by the tag finds the signatures there.
  const isLast = closure.manifests.at(-1) === digest;
  const ordered = isLast ? closure.manifests : [...closure.manifests, digest];
  const put: NewTask = {
    ...common,
    kind: 'put-manifests',
    key: `${keyOf(run, 'put')} ${destination.endpoint} ${to} ${tag ?? digest} ${digest}`,
    cost: SMALLEST_COST,
    payload: { ...place, manifests: ordered, tag, isSparse: closure.isSparse },
    after: blobs.map((_, index) => index),
  };
  return { next: [...blobs, put], note: `${missing.length} of ${sizes.size} blobs are missing` };
}

/** What rules judge an artifact by, when all of it is known. What belongs to another goes where that goes. */
async function artifactFacts(
  { run, plan, source }: Planning,
  { bytes, descriptor }: Manifest,
  size: number,
  signal: AbortSignal,
): Promise<ArtifactFacts> {
  const { mediaType, artifactType, subject } = parseManifest(bytes, descriptor.mediaType);
  const isBeside = subject !== undefined || (plan.tag !== undefined && isCompanion(plan.tag));
  if (isBeside) return {};
  const facts = { mediaType, artifactType, size };
  if (!run.rules.signedOnly) return facts;
  const { digest } = descriptor;
  const referrers = await source.referrers(plan.from, digest, { signal });
  const tags = (await source.tags(plan.from, { signal })).map(({ name }) => name);
  return { ...facts, isSigned: isSigned(digest, { referrers, tags }) };
}

function blobOf(
  place: Place,
  { endpoint }: Destination,
  { digest, size }: { readonly digest: Digest; readonly size: number },
): Pick<NewTask, 'kind' | 'key' | 'cost' | 'payload'> {
  return {
    kind: 'copy-blob',
    key: `blob ${endpoint} ${place.to} ${digest}`,
    cost: Math.max(size, SMALLEST_COST),
    payload: { ...place, digest, size },
  };
}

async function digestOf(
  source: Source,
  { from, tag, digest, isAhead = false }: SyncReference,
  signal: AbortSignal,
): Promise<Digest> {
  if (isAhead && digest !== undefined) return digest;
  if (tag !== undefined) return source.digestOf(from, tag, { signal });
  if (digest !== undefined) return digest;
  throw new OciError('MANIFEST_UNKNOWN', { message: 'neither a tag nor a digest is named' });
}

class ReadManifests {
  readonly #known = new LRUCache<string, Manifest>({
    maxSize: MANIFEST_BYTES,
    sizeCalculation: ({ bytes }) => bytes.length + 1,
  });

  async read(
    source: Source,
    {
      repository,
      digest,
      signal,
    }: { readonly repository: string; readonly digest: Digest; readonly signal: AbortSignal },
  ): Promise<Manifest> {
    const key = `${source.endpoint} ${repository} ${digest}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const manifest = await source.manifest(repository, digest, { signal });
    this.#known.set(key, manifest);
    return manifest;
  }
}
