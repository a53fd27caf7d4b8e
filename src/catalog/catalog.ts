import type { Database } from '../database/database.ts';
import type { BlobStore } from '../storage/blob-store.ts';
import { type AccessTimes, createAccessTimes } from './access-times.ts';
import { type Arrivals, createArrivals } from './arrivals.ts';
import { type Blobs, createBlobs } from './blobs.ts';
import { type CachedBlobs, createCachedBlobs } from './cached-blobs.ts';
import { type CachedManifests, createCachedManifests } from './cached-manifests.ts';
import { createFills, type Fills } from './fills.ts';
import { createManifests, type Manifests } from './manifests.ts';
import { createProjects, type Projects } from './projects.ts';
import { createReferrers, type Referrers } from './referrers.ts';
import { createRepositories, type Repositories } from './repositories.ts';
import { createTags, type Tags } from './tags.ts';
import { createUploads, type Uploads } from './uploads.ts';

export interface CatalogOptions {
  readonly database: Database;
  readonly store: BlobStore;
  /** Milliseconds UTC. */
  readonly now: () => number;
  /** How long condemned bytes wait for somebody who still wants them. */
  readonly graceMs: number;
  /** Whether another process is copying the metadata and then the blobs that they name. */
  readonly isBeingCopied: () => boolean;
  /** Hosts that no hosted project may be called while names without a project go to an upstream. */
  readonly wellKnownHosts: readonly string[];
}

/** What this node holds. Disposing writes the access times that have gathered. */
export interface Catalog extends AsyncDisposable {
  readonly projects: Projects;
  readonly repositories: Repositories;
  readonly manifests: Manifests;
  readonly tags: Tags;
  readonly referrers: Referrers;
  readonly blobs: Blobs;
  readonly cachedBlobs: CachedBlobs;
  readonly cachedManifests: CachedManifests;
  readonly arrivals: Arrivals;
  readonly uploads: Uploads;
  readonly fills: Fills;
  readonly accessTimes: AccessTimes;
}

export function createCatalog(options: CatalogOptions): Catalog {
  const { database, store, now, graceMs, isBeingCopied, wellKnownHosts } = options;
  const accessTimes = createAccessTimes({ database, now });
  const blobs = createBlobs({ database, store, accessTimes, now, graceMs, isBeingCopied });
  return {
    projects: createProjects(database, { now, wellKnownHosts }),
    repositories: createRepositories(database),
    manifests: createManifests({ database, now }),
    tags: createTags({ database, now }),
    referrers: createReferrers({ database }),
    blobs,
    cachedBlobs: createCachedBlobs({ database, accessTimes, now }),
    cachedManifests: createCachedManifests({ database, accessTimes }),
    arrivals: createArrivals({ database }),
    uploads: createUploads({ database, store, blobs, now }),
    fills: createFills({ database, now }),
    accessTimes,
    [Symbol.asyncDispose]: () => accessTimes[Symbol.asyncDispose](),
  };
}
