/**
 * The tag under which clients keep what refers to a manifest, where the registry has no referrers API
 * (distribution-spec v1.1.1 "Referrers Tag Schema", "Pushing Manifests with Subject").
 */
import { z } from 'zod';
import { algorithmOf, type Digest, digestOf, isDigest } from '../oci/digest.ts';
import { OciError } from '../oci/error.ts';
import { essenceOf, OCI_INDEX } from '../oci/media-type.ts';
import { MOST_ERROR_BYTES } from './error-answer.ts';
import { jsonIn } from './json.ts';
import type { CallOptions, Referrer } from './peer.ts';
import type { WholeAnswer } from './registry-client.ts';
import { type RepositoryCalls, writeRefusal } from './repository-calls.ts';

const Entry = z.object({
  mediaType: z.string(),
  digest: z.custom<Digest>((value) => typeof value === 'string' && isDigest(value)),
  size: z.int().nonnegative(),
  artifactType: z.string().optional(),
  annotations: z.record(z.string(), z.string()).nullish(),
});
const Index = z.looseObject({ manifests: z.array(z.unknown()).nullish() });
const NEW_INDEX = { schemaVersion: 2, mediaType: OCI_INDEX };

export class ReferrersTag {
  readonly #at: RepositoryCalls;
  /** The last one that changes a tag, or waits to: what two of them read and write at one time, one of them would lose. */
  readonly #turns = new Map<string, Promise<unknown>>();

  constructor(at: RepositoryCalls) {
    this.#at = at;
  }

  /** None where there is no such tag, or no list behind it. */
  async list(
    repository: string,
    subject: Digest,
    options: CallOptions,
  ): Promise<readonly Referrer[]> {
    const page = await this.#read(repository, subject, options);
    if (page === undefined || !isIndex(page)) return [];
    return entriesIn(jsonIn(page.bytes, this.#at.host));
  }

  /** Adds it where it is missing, and leaves everything else as it is. @throws OciError MANIFEST_INVALID where there is something else */
  async add(
    repository: string,
    subject: Digest,
    referrer: Referrer,
    options: CallOptions,
  ): Promise<void> {
    const tag = fallbackTagOf(subject);
    await this.alone(repository, tag, async () => {
      const page = await this.#read(repository, subject, options);
      const known = page === undefined ? NEW_INDEX : this.#indexIn(page, tag);
      const { manifests, ...index } = Index.parse(known);
      if (entriesIn(known).some(({ digest }) => digest === referrer.digest)) return;
      const listed = { ...index, manifests: [...(manifests ?? []), referrer] };
      await this.#write(repository, tag, Buffer.from(JSON.stringify(listed)), options);
    });
  }

  /** Runs what changes the tag while nothing else of this node does. */
  async alone<T>(repository: string, tag: string, work: () => Promise<T>): Promise<T> {
    const key = `${repository}:${tag}`;
    const before = this.#turns.get(key) ?? Promise.resolve();
    const mine = before.then(work, work);
    this.#turns.set(key, mine);
    try {
      return await mine;
    } finally {
      if (this.#turns.get(key) === mine) this.#turns.delete(key);
    }
  }

  async #read(
    repository: string,
    subject: Digest,
    options: CallOptions,
  ): Promise<WholeAnswer | undefined> {
    const { calls } = this.#at;
    const call = this.#at.to(repository, `manifests/${fallbackTagOf(subject)}`, {
      ...options,
      headers: { accept: OCI_INDEX },
    });
    // Most subjects have none, and HEAD costs nothing where pulls are counted.
    const head = await calls.read({ ...call, method: 'HEAD' }, 0);
    if (head.status === 404) return undefined;
    const page = await calls.read(call, calls.limits.manifestBytes);
    return isItself(page, subject) ? undefined : page;
  }

  #indexIn(page: WholeAnswer, tag: string): unknown {
    if (isIndex(page)) return jsonIn(page.bytes, this.#at.host);
    const message = `${tag}, where its referrers belong, is no list of them`;
    throw new OciError('MANIFEST_INVALID', { message });
  }

  async #write(repository: string, tag: string, body: Buffer, options: CallOptions): Promise<void> {
    const call = this.#at.to(repository, `manifests/${tag}`, {
      ...options,
      method: 'PUT',
      actions: 'pull,push',
      headers: { 'content-type': OCI_INDEX },
      body,
    });
    const answer = await this.#at.calls.read(call, MOST_ERROR_BYTES);
    if (answer.status >= 300) throw writeRefusal(call, answer, 'NAME_UNKNOWN');
  }
}

export function isIndex({ status, headers }: WholeAnswer): boolean {
  return status === 200 && essenceOf(headers['content-type'] ?? '') === OCI_INDEX;
}

/** What is no descriptor is left out: one bad entry must not hide the others. */
export function entriesIn(index: unknown): Referrer[] {
  const entries = Index.safeParse(index).data?.manifests ?? [];
  return entries.flatMap((entry) => {
    const parsed = Entry.safeParse(entry).data;
    if (parsed === undefined) return [];
    const { mediaType, digest, size, artifactType, annotations } = parsed;
    return [{ mediaType, digest, size, artifactType, annotations: annotations ?? {} }];
  });
}

/** Whether lists are kept under such a tag. */
export function isFallbackTag(reference: string): boolean {
  return /^sha(?:256|512)-[0-9a-f]{64}$/.test(reference);
}

/** `<algorithm>-<hex>`, cut at 64 of its digits. */
function fallbackTagOf(subject: Digest): string {
  const algorithm = algorithmOf(subject);
  return `${algorithm}-${subject.slice(algorithm.length + 1, algorithm.length + 65)}`;
}

/** GitLab answers such a tag with the subject itself (oras-go issue 1396), and anybody may push anything as a tag. */
function isItself({ bytes }: WholeAnswer, subject: Digest): boolean {
  return digestOf(bytes, algorithmOf(subject)) === subject;
}
