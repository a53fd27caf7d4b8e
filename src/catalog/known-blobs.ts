import { LRUCache } from 'lru-cache';
import type { Database } from '../database/database.ts';
import type { Digest } from '../oci/digest.ts';
import { linkedBlob, reprieve } from './blob-rows.ts';

interface Known {
  readonly revision: number;
  readonly blob: { readonly size: number };
}

const MOST_KNOWN = 50_000;

/** Which repository has which blob, remembered as long as nothing was committed. */
export class KnownBlobs {
  readonly #database: Database;
  readonly #known = new LRUCache<string, Known>({ max: MOST_KNOWN });

  constructor(database: Database) {
    this.#database = database;
  }

  async find(repository: string, digest: Digest): Promise<{ readonly size: number } | undefined> {
    const key = `${repository}@${digest}`;
    const revision = this.#database.revision();
    const known = this.#known.get(key);
    if (known?.revision === revision) return known.blob;
    const blob = await this.#load(repository, digest);
    if (blob === undefined) this.#known.delete(key);
    else this.#known.set(key, { revision, blob });
    return blob;
  }

  async #load(repository: string, digest: Digest): Promise<{ readonly size: number } | undefined> {
    const found = await linkedBlob(this.#database.read, repository, digest);
    if (found?.state !== 'condemned') return found && { size: found.size };
    return this.#database.write(async (transaction) => {
      // Unlinked meanwhile, it stays condemned.
      const still = await linkedBlob(transaction, repository, digest);
      return still && reprieve(transaction, digest);
    });
  }
}
