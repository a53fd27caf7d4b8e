import assert from 'node:assert/strict';
import { type Arbitrary, constantFrom, nat, oneof, record, subarray } from 'fast-check';
import type { Ownership } from '../../../src/database/tables.ts';
import type { Digest } from '../../../src/oci/digest.ts';
import { OciError } from '../../../src/oci/error.ts';
import { arrive, called, keepBlob, push, type World } from '../../catalog/world.ts';
import { MOST_BLOBS, MOST_MANIFESTS, type Pool, type PoolManifest } from './contents-pool.ts';

export const REPOSITORIES = ['local/one', 'local/other', 'docker.io/library/one'] as const;
const TAGS = ['V1', 'v1'] as const;

const KINDS = [
  'keep',
  'link',
  'mount',
  'unlink',
  'find',
  'push',
  'arrive',
  'remove',
  'untag',
  'evict',
  'collect',
  'release',
  'wait',
] as const;
/** One call of the catalog. Each kind looks at some of the fields; numbers are places in the pool. */
export interface CatalogStep {
  readonly kind: (typeof KINDS)[number];
  readonly repository: string;
  readonly blob: number;
  readonly manifest: number;
  readonly tags: readonly string[];
  readonly ownership: Ownership;
  /** Of a mount. */
  readonly from: string;
  readonly isStrict: boolean;
  /** What passes, or how long something was not used. */
  readonly durationMs: number;
}

const HOUR_MS = 60 * 60 * 1000;

export const STEPS: Arbitrary<CatalogStep> = record({
  kind: oneof(
    { weight: 2, arbitrary: constantFrom('keep', 'push') },
    { weight: 1, arbitrary: constantFrom(...KINDS) },
  ),
  repository: constantFrom(...REPOSITORIES),
  blob: nat(MOST_BLOBS - 1),
  manifest: nat(MOST_MANIFESTS - 1),
  tags: subarray([...TAGS]),
  ownership: constantFrom('origin', 'replica', 'cache'),
  from: constantFrom(...REPOSITORIES),
  isStrict: constantFrom(true, false),
  durationMs: constantFrom(1, HOUR_MS - 1, 2 * HOUR_MS),
});

export const DONE = 'done';
export const REFUSED = 'refused';

export function blobOf(step: CatalogStep, pool: Pool): Pool['blobs'][number] {
  return pool.blobs[step.blob] ?? assert.fail();
}

export function manifestOf(step: CatalogStep, pool: Pool): PoolManifest {
  return pool.manifests[step.manifest] ?? assert.fail();
}

/** The first tag of the step, for what takes one. */
export function tagOf({ tags: [tag = 'v1'] }: CatalogStep): string {
  return tag;
}

/** What became of it: done or refused, or how many it was about. */
export async function perform(world: World, step: CatalogStep, pool: Pool): Promise<string> {
  try {
    return await call(world, step, pool);
  } catch (error) {
    if (error instanceof OciError) return REFUSED;
    throw error;
  }
}

async function call(world: World, step: CatalogStep, pool: Pool): Promise<string> {
  const { blobs, manifests, tags, clock } = world;
  const { repository, durationMs } = step;
  const { digest, bytes } = blobOf(step, pool);
  const manifest = manifestOf(step, pool);
  switch (step.kind) {
    case 'keep':
      await keepBlob(world, repository, { digest, bytes }, step.ownership);
      return DONE;
    case 'link':
      await blobs.link(repository, digest, step.ownership);
      return DONE;
    case 'mount':
      return (await blobs.mount(repository, digest, step.from)) ? DONE : REFUSED;
    case 'unlink':
      await blobs.unlink(repository, digest);
      return DONE;
    case 'find':
      return (await blobs.find(repository, digest)) === undefined ? REFUSED : DONE;
    case 'push': {
      const references = step.isStrict ? 'strict' : 'sparse';
      await push(world, repository, manifest, { tags: step.tags, references });
      return DONE;
    }
    case 'arrive':
      await arrive(world, repository, manifest, step.tags[0]);
      return DONE;
    case 'remove':
      await manifests.remove(repository, manifest.digest, called('alice'));
      return DONE;
    case 'untag':
      await tags.remove(repository, tagOf(step), called('alice'));
      return DONE;
    case 'evict':
      return evict(world, digest);
    case 'collect':
      return `${(await blobs.collect()).blobs}`;
    case 'release':
      return `${await blobs.releaseUnreferenced(clock.at - durationMs)}`;
    case 'wait':
      // As the timer does every ten seconds.
      await world.accessTimes.flush();
      clock.at += durationMs;
      return DONE;
    default:
      return assert.fail(step.kind);
  }
}

async function evict({ cachedBlobs }: World, digest: Digest): Promise<string> {
  const found = (await cachedBlobs.oldest(1000)).find((blob) => blob.digest === digest);
  if (found === undefined) return REFUSED;
  // Refused where somebody took it over at the same time.
  return (await cachedBlobs.evict(found)) ? DONE : REFUSED;
}
