import assert from 'node:assert/strict';
import type { Ownership } from '../../../src/database/tables.ts';
import type { Digest } from '../../../src/oci/digest.ts';
import type { CatalogFacts } from './catalog-facts.ts';
import {
  blobOf,
  type CatalogStep,
  DONE,
  manifestOf,
  REFUSED,
  REPOSITORIES,
  tagOf,
} from './catalog-steps.ts';
import type { Pool, PoolManifest } from './contents-pool.ts';

const GRACE_MS = 60 * 60 * 1000;
const STRENGTH: readonly Ownership[] = ['cache', 'replica', 'origin'];

interface ModelBlob {
  accessedAt: number;
  /** Undefined: present. */
  condemnedAt: number | undefined;
}
interface ModelLink {
  readonly ownership: Ownership;
  readonly at: number;
}
interface ModelTag {
  readonly digest: Digest;
  readonly isOwned: boolean;
}

/** What must be in the catalog after steps one after the other. Keys are a repository and a digest or tag. */
export class CatalogModel {
  readonly #pool: Pool;
  readonly #blobs = new Map<Digest, ModelBlob>();
  /** Read since times were written last. */
  readonly #unwritten = new Set<Digest>();
  readonly #links = new Map<string, ModelLink>();
  readonly #manifests = new Map<string, Ownership>();
  readonly #tags = new Map<string, ModelTag>();
  readonly #history: string[] = [];
  readonly #feed: string[] = [];
  readonly #arrivals: string[] = [];

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  get facts(): CatalogFacts {
    const states = [...this.#blobs].map(
      ([digest, { condemnedAt }]) =>
        `${digest} ${condemnedAt === undefined ? 'present' : 'condemned'}`,
    );
    const tags = [...this.#tags].map(
      ([tag, { digest, isOwned }]) => `${tag} ${digest} ${isOwned ? 'origin' : 'cache'}`,
    );
    return {
      blobs: states.toSorted(),
      links: [...this.#links].map(([key, { ownership }]) => `${key} ${ownership}`).toSorted(),
      manifests: [...this.#manifests].map(([key, ownership]) => `${key} ${ownership}`).toSorted(),
      tags: tags.toSorted(),
      history: this.#history,
      feed: this.#feed,
      arrivals: this.#arrivals,
    };
  }

  /** What the step must come to, at that time (milliseconds UTC). */
  apply(step: CatalogStep, at: number): string {
    const { repository, ownership } = step;
    const { digest } = blobOf(step, this.#pool);
    const link = `${repository}@${digest}`;
    switch (step.kind) {
      case 'keep':
        if (!this.#blobs.has(digest)) {
          this.#blobs.set(digest, { accessedAt: at, condemnedAt: undefined });
        }
        return this.#link(link, digest, { ownership, at });
      case 'link':
        return this.#link(link, digest, { ownership, at });
      case 'mount':
        if (!this.#links.has(`${step.from}@${digest}`)) return REFUSED;
        return this.#link(link, digest, { ownership: 'origin', at });
      case 'unlink':
        return this.#unlink(link, digest, at);
      case 'find':
        return this.#find(link, digest, at);
      case 'push':
        return this.#push(step, manifestOf(step, this.#pool));
      case 'arrive':
        return this.#arrive(step, manifestOf(step, this.#pool));
      case 'remove':
        return this.#remove(repository, manifestOf(step, this.#pool).digest);
      case 'untag':
        return this.#untag(repository, tagOf(step));
      case 'evict':
        return this.#evict(digest, at);
      case 'collect':
        return this.#collect(at);
      case 'release':
        return this.#release(at - step.durationMs, at);
      case 'wait':
        this.#unwritten.clear();
        return DONE;
      default:
        return assert.fail(step.kind);
    }
  }

  #link(key: string, digest: Digest, link: ModelLink): string {
    const blob = this.#blobs.get(digest);
    if (blob === undefined) return REFUSED;
    blob.condemnedAt = undefined;
    blob.accessedAt = link.at;
    const former = this.#links.get(key)?.ownership ?? 'cache';
    const isWeaker = STRENGTH.indexOf(link.ownership) < STRENGTH.indexOf(former);
    this.#links.set(key, { ...link, ownership: isWeaker ? former : link.ownership });
    return DONE;
  }

  #unlink(key: string, digest: Digest, at: number): string {
    if (!this.#links.delete(key)) return REFUSED;
    const blob = this.#blobs.get(digest);
    if (blob !== undefined && this.#linksOf(digest).length === 0) blob.condemnedAt = at;
    return DONE;
  }

  #find(key: string, digest: Digest, at: number): string {
    const blob = this.#blobs.get(digest);
    if (blob === undefined || !this.#links.has(key)) return REFUSED;
    blob.accessedAt = at;
    this.#unwritten.add(digest);
    return DONE;
  }

  #push({ repository, tags, isStrict }: CatalogStep, manifest: PoolManifest): string {
    const { digest } = manifest;
    const key = `${repository}@${digest}`;
    if (isStrict && !this.#isComplete(repository, manifest)) return REFUSED;
    const former = this.#manifests.get(key) ?? 'cache';
    if (former === 'cache') this.#feed.push(`${repository} manifest - ${digest} -`);
    this.#manifests.set(key, 'origin');
    for (const tag of tags) {
      const name = `${repository}:${tag}`;
      const known = this.#tags.get(name);
      if (known?.digest === digest && known.isOwned) continue;
      this.#feed.push(`${repository} tag ${tag} ${digest} ${known?.digest ?? '-'}`);
      this.#history.push(`${name} ${digest} ${known?.digest ?? '-'}`);
      this.#tags.set(name, { digest, isOwned: true });
    }
    return DONE;
  }

  #arrive({ repository, tags: [tag] }: CatalogStep, { digest }: PoolManifest): string {
    const key = `${repository}@${digest}`;
    const name = `${repository}:${tag}`;
    const isNew = !this.#manifests.has(key);
    if (isNew) this.#manifests.set(key, 'cache');
    const known = this.#tags.get(name);
    const isMoved = tag !== undefined && known?.isOwned !== true && known?.digest !== digest;
    if (isMoved) this.#tags.set(name, { digest, isOwned: false });
    if (isNew || isMoved) this.#arrivals.push(`${repository} ${tag ?? '-'} ${digest}`);
    return DONE;
  }

  #remove(repository: string, digest: Digest): string {
    const ownership = this.#manifests.get(`${repository}@${digest}`);
    if (ownership === undefined || this.#isListed(repository, digest)) return REFUSED;
    const names = [...this.#tags.keys()].filter(
      (name) => name.startsWith(`${repository}:`) && this.#tags.get(name)?.digest === digest,
    );
    for (const name of names.toSorted()) this.#untag(repository, name.split(':')[1] ?? '');
    if (ownership !== 'cache') this.#feed.push(`${repository} manifest-deleted - ${digest} -`);
    this.#manifests.delete(`${repository}@${digest}`);
    return DONE;
  }

  #untag(repository: string, tag: string): string {
    const name = `${repository}:${tag}`;
    const known = this.#tags.get(name);
    if (known === undefined) return REFUSED;
    const { digest } = known;
    if (known.isOwned) this.#feed.push(`${repository} tag-deleted ${tag} ${digest} ${digest}`);
    this.#history.push(`${name} - ${digest}`);
    this.#tags.delete(name);
    return DONE;
  }

  #evict(digest: Digest, at: number): string {
    const links = this.#linksOf(digest);
    if (links.length === 0 || this.#unwritten.has(digest)) return REFUSED;
    if (links.some(([, { ownership }]) => ownership !== 'cache')) return REFUSED;
    for (const [key] of links) this.#unlink(key, digest, at);
    return DONE;
  }

  #collect(at: number): string {
    const gone = [...this.#blobs].filter(
      ([, { condemnedAt }]) => condemnedAt !== undefined && condemnedAt <= at - GRACE_MS,
    );
    for (const [digest] of gone) this.#blobs.delete(digest);
    return `${gone.length}`;
  }

  #release(before: number, at: number): string {
    const released = [...this.#links].filter(([key, link]) => {
      const [repository = '', digest = ''] = key.split('@');
      const blob = [...this.#blobs].find(([known]) => known === digest)?.[1];
      const isIdle = link.at <= before && (blob?.accessedAt ?? 0) <= before;
      return link.ownership !== 'cache' && isIdle && !this.#isMentioned(repository, digest);
    });
    for (const { digest } of this.#pool.blobs) {
      for (const [key] of released) if (key.endsWith(`@${digest}`)) this.#unlink(key, digest, at);
    }
    return `${released.length}`;
  }

  #isComplete(repository: string, { blobs, manifests }: PoolManifest): boolean {
    return (
      blobs.every((digest) => this.#links.has(`${repository}@${digest}`)) &&
      manifests.every((digest) => this.#manifests.has(`${repository}@${digest}`))
    );
  }

  /** By an index that is there, where one may not lack what it lists. */
  #isListed(repository: string, digest: Digest): boolean {
    return (
      repository.startsWith('local/') &&
      this.#pool.manifests.some(
        (index) =>
          index.manifests.includes(digest) && this.#manifests.has(`${repository}@${index.digest}`),
      )
    );
  }

  #isMentioned(repository: string, digest: string): boolean {
    return this.#pool.manifests
      .filter((manifest) => this.#manifests.has(`${repository}@${manifest.digest}`))
      .some(({ blobs, manifests, optional }) =>
        [...blobs, ...manifests, ...optional].some((mentioned) => mentioned === digest),
      );
  }

  #linksOf(digest: Digest): readonly (readonly [string, ModelLink])[] {
    return REPOSITORIES.flatMap((repository) => {
      const key = `${repository}@${digest}`;
      const link = this.#links.get(key);
      return link === undefined ? [] : [[key, link] as const];
    });
  }
}
