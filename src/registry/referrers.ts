import { LRUCache } from 'lru-cache';
import type { Digest } from '../oci/digest.ts';
import { type Manifest, parseManifest } from '../oci/manifest.ts';
import { UpstreamDenied, UpstreamInvalid } from './errors.ts';
import { jsonIn } from './json.ts';
import { pagesOf } from './pages.ts';
import type { CallOptions, Referrer } from './peer.ts';
import { entriesIn, isFallbackTag, isIndex, ReferrersTag } from './referrers-tag.ts';
import type { WholeAnswer } from './registry-client.ts';
import type { RepositoryCalls } from './repository-calls.ts';

/** How long a registry is taken to have a referrers API, or none: it may be upgraded. */
const API_KNOWN_MS = 3_600_000;
const MOST_REMEMBERED = 10_000;

/**
 * Referrers of one registry: from its API, or from the tag that clients keep them under where it has none
 * (distribution-spec v1.1.1 "Listing Referrers", "Referrers Tag Schema").
 */
export class Referrers {
  readonly #at: RepositoryCalls;
  readonly #tag: ReferrersTag;
  /** By repository: some say of one that they do not have what others say of the API. */
  readonly #apiMissingUntil = new LRUCache<string, number>({ max: MOST_REMEMBERED });
  readonly #apiThereUntil = new LRUCache<string, number>({ max: MOST_REMEMBERED });

  constructor(at: RepositoryCalls) {
    this.#at = at;
    this.#tag = new ReferrersTag(at);
  }

  async list(
    repository: string,
    subject: Digest,
    options: CallOptions,
  ): Promise<readonly Referrer[]> {
    const listed = await this.#fromApi(repository, subject, options);
    return listed ?? (await this.#tag.list(repository, subject, options));
  }

  /**
   * Lists what was pushed where its subject is looked for, if it has one and the registry does not do so itself: by its
   * API, not by `OCI-Subject`, which some have answered who list nothing (docs/wire-notes.md 5).
   */
  async keep(
    repository: string,
    { bytes, descriptor }: Manifest,
    options: CallOptions,
  ): Promise<void> {
    const { subject, artifactType, annotations } = parseManifest(bytes, descriptor.mediaType);
    if (subject === undefined) return;
    if (this.#at.calls.now() < (this.#apiThereUntil.get(repository) ?? 0)) return;
    const listed = await this.#fromApi(repository, subject.digest, { ...options, mostPages: 1 });
    if (listed !== undefined) return;
    const { mediaType, digest, size } = descriptor;
    const referrer = { mediaType, digest, size, artifactType, annotations };
    await this.#tag.add(repository, subject.digest, referrer, options);
  }

  /** Runs what puts a manifest there; the tag of a list is left to one at a time. */
  push<T>(repository: string, reference: string, put: () => Promise<T>): Promise<T> {
    return isFallbackTag(reference) ? this.#tag.alone(repository, reference, put) : put();
  }

  /** Undefined where there is no such API. */
  async #fromApi(
    repository: string,
    subject: Digest,
    { mostPages = Number.POSITIVE_INFINITY, ...options }: CallOptions & { mostPages?: number },
  ): Promise<Referrer[] | undefined> {
    const { calls, host } = this.#at;
    if (calls.now() < (this.#apiMissingUntil.get(repository) ?? 0)) return undefined;
    // No registry counts it as a pull.
    const asking = { ...options, isReplication: false };
    const first = this.#at.to(repository, `referrers/${subject}`, asking);
    const listed: Referrer[] = [];
    try {
      let pages = 0;
      for await (const page of pagesOf(calls, first)) {
        if (!isIndex(page)) {
          if (pages > 0) throw new UpstreamInvalid(host, 'referrers that end with another page');
          this.#remember(repository, page);
          return undefined;
        }
        pages += 1;
        for (const entry of entriesIn(jsonIn(page.bytes, host))) listed.push(entry);
        if (pages === mostPages) break;
      }
      this.#apiThereUntil.set(repository, calls.now() + API_KNOWN_MS);
      return listed;
    } catch (error) {
      // Some refuse what they do not know (docs/wire-notes.md 5); who may not read at all is told by the tag.
      if (error instanceof UpstreamDenied) return undefined;
      throw error;
    }
  }

  /** A registry that has the API never says 404, but for a repository that it does not have. */
  #remember(repository: string, { status, bytes }: WholeAnswer): void {
    if (status !== 404 || bytes.includes('NAME_UNKNOWN')) return;
    this.#apiMissingUntil.set(repository, this.#at.calls.now() + API_KNOWN_MS);
  }
}
