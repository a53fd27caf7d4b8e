import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import { algorithmOf, type Digest, digestOf, isDigest } from '../oci/digest.ts';
import { essenceOf, OCI_INDEX } from '../oci/media-type.ts';
import { UpstreamDenied, UpstreamInvalid } from './errors.ts';
import { jsonIn } from './json.ts';
import { pagesOf } from './pages.ts';
import type { CallOptions, Referrer } from './peer.ts';
import type { WholeAnswer } from './registry-client.ts';
import type { RepositoryCalls } from './repository-calls.ts';

/** How long a registry is taken to have no referrers API: it may be upgraded. */
const API_MISSING_MS = 3_600_000;
const MOST_REMEMBERED = 10_000;

const Entry = z.object({
  mediaType: z.string(),
  digest: z.custom<Digest>((value) => typeof value === 'string' && isDigest(value)),
  size: z.int().nonnegative(),
  artifactType: z.string().optional(),
  annotations: z.record(z.string(), z.string()).nullish(),
});
const Index = z.object({ manifests: z.array(z.unknown()).nullish() });

/**
 * Referrers of one registry: from its API, or from the tag that clients keep them under where it has none
 * (distribution-spec v1.1.1 "Listing Referrers", "Referrers Tag Schema").
 */
export class Referrers {
  readonly #at: RepositoryCalls;
  /** By repository: some say of one that they do not have what others say of the API. */
  readonly #apiMissingUntil = new LRUCache<string, number>({ max: MOST_REMEMBERED });

  constructor(at: RepositoryCalls) {
    this.#at = at;
  }

  async list(
    repository: string,
    subject: Digest,
    options: CallOptions,
  ): Promise<readonly Referrer[]> {
    const { now } = this.#at.calls;
    const isMissing = now() < (this.#apiMissingUntil.get(repository) ?? 0);
    const listed = isMissing ? undefined : await this.#fromApi(repository, subject, options);
    return listed ?? (await this.#fromTag(repository, subject, options));
  }

  /** Undefined where there is no such API. */
  async #fromApi(
    repository: string,
    subject: Digest,
    options: CallOptions,
  ): Promise<Referrer[] | undefined> {
    const { calls, host } = this.#at;
    const first = this.#at.to(repository, `referrers/${subject}`, options);
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
      }
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
    this.#apiMissingUntil.set(repository, this.#at.calls.now() + API_MISSING_MS);
  }

  async #fromTag(
    repository: string,
    subject: Digest,
    options: CallOptions,
  ): Promise<readonly Referrer[]> {
    const { calls } = this.#at;
    const call = this.#at.to(repository, `manifests/${fallbackTagOf(subject)}`, {
      ...options,
      headers: { accept: OCI_INDEX },
    });
    // Most subjects have none, and HEAD costs nothing where pulls are counted.
    const head = await calls.read({ ...call, method: 'HEAD' }, 0);
    if (head.status === 404) return [];
    const page = await calls.read(call, calls.limits.manifestBytes);
    // GitLab answers such a tag with the subject itself (oras-go issue 1396), and anybody may push anything as a tag.
    if (!isIndex(page) || digestOf(page.bytes, algorithmOf(subject)) === subject) return [];
    return entriesIn(jsonIn(page.bytes, call.url.host));
  }
}

function isIndex({ status, headers }: WholeAnswer): boolean {
  return status === 200 && essenceOf(headers['content-type'] ?? '') === OCI_INDEX;
}

/** What is no descriptor is left out: one bad entry must not hide the others. */
function entriesIn(index: unknown): Referrer[] {
  const entries = Index.safeParse(index).data?.manifests ?? [];
  return entries.flatMap((entry) => {
    const parsed = Entry.safeParse(entry).data;
    if (parsed === undefined) return [];
    const { mediaType, digest, size, artifactType, annotations } = parsed;
    return [{ mediaType, digest, size, artifactType, annotations: annotations ?? {} }];
  });
}

function fallbackTagOf(subject: Digest): string {
  const algorithm = algorithmOf(subject);
  return `${algorithm}-${subject.slice(algorithm.length + 1, algorithm.length + 65)}`;
}
