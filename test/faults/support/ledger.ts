import assert from 'node:assert/strict';
import { readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type Digest, digestOf } from '../../../src/oci/digest.ts';
import type { RegistryClient } from './client.ts';
import { imageOf, type TestImage } from './content.ts';

const REPOSITORY = 'local/faults';

/** What was tried and what was acknowledged, so that it can be asked for after the fault. */
export class Ledger {
  #pushes = 0;
  readonly #acknowledged = new Set<Digest>();
  readonly #attempted = new Set<Digest>();
  /** By tag: what was acknowledged last, and all that was tried after it. */
  readonly #tags = new Map<string, { last: Digest | undefined; since: Set<Digest> }>();

  /** Pushes images under one tag until the node goes away. */
  async pushUntilItFails(client: RegistryClient, tag: string, sizes: readonly number[]) {
    for (let count = 0; ; count++) {
      const image = imageOf(`${tag} ${this.#pushes++} ${count}`, sizes);
      try {
        await this.push(client, tag, image);
      } catch {
        return; // The node is gone; what it acknowledged before is in the book.
      }
    }
  }

  /** Writes down what is acknowledged, step by step. Rejects when a step is not. */
  async push(client: RegistryClient, tag: string, image: TestImage): Promise<void> {
    for (const blob of image.blobs) {
      this.#attempted.add(digestOf(blob));
      this.#acknowledged.add(await client.pushBlob(REPOSITORY, blob));
    }
    const entry = this.#tags.get(tag) ?? { last: undefined, since: new Set<Digest>() };
    this.#tags.set(tag, entry);
    entry.since.add(image.digest);
    await client.pushManifest(REPOSITORY, tag, image.manifest);
    entry.last = image.digest;
    entry.since.clear();
  }

  get acknowledgedBlobs(): number {
    return this.#acknowledged.size;
  }

  /** Nothing acknowledged is missing, nothing partial is visible. */
  async verify(client: RegistryClient): Promise<void> {
    for (const digest of this.#attempted) {
      const isWhole = await client.hasWholeBlob(REPOSITORY, digest);
      if (isWhole || !this.#acknowledged.has(digest)) continue;
      const isBack = await client.hasWholeBlob(REPOSITORY, digest);
      assert.fail(`${digest} was acknowledged; asked again, it is ${isBack ? 'there' : 'gone'}`);
    }
    for (const [tag, { last, since }] of this.#tags) {
      const found = await client.manifestDigest(REPOSITORY, tag);
      const allowed: (string | undefined)[] = [last, ...since];
      assert.ok(allowed.includes(found), `${tag} is ${found}, acknowledged was ${last}`);
    }
  }

  /** Long runs ask only for what is new. The tags stay. */
  forgetBlobs(): void {
    this.#attempted.clear();
    this.#acknowledged.clear();
  }
}

/** Every staged file belongs to an upload or a fill that goes on. */
export function assertNoStrayStaging(dataFolder: string): void {
  using database = new DatabaseSync(join(dataFolder, 'portolan.db'), { readOnly: true });
  const rows = database.prepare('SELECT id FROM uploads UNION SELECT staged FROM fills').all();
  const live = new Set(rows.map((row) => String(Object.values(row)[0])));
  const stray = readdirSync(join(dataFolder, 'staging')).filter((id) => !live.has(id));
  assert.deepEqual(stray, []);
}

/** Descriptors of a running node that lead to staged files. */
export function openStagedFiles(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`)
    .map((fd) => linkOf(`/proc/${pid}/fd/${fd}`))
    .filter((target) => target.includes('/staging/'));
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return ''; // Closed since the folder was listed.
  }
}
