import { createHash, type Hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { DigestAlgorithm } from '../oci/digest.ts';
import type { StagedFile } from '../storage/blob-store.ts';

/** How far a staged file is hashed. */
export interface HashedFile {
  readonly algorithm: DigestAlgorithm;
  /** Of everything before `position`. */
  readonly hash: Hash;
  /** Bytes. */
  readonly position: number;
}

/** Sessions whose running hash stays in memory between two requests; the file of another is read again. */
const MOST_KEPT = 4096;
const READ_BYTES = 256 * 1024;

/** The running hashes of staged files, by name. */
export class StagedHashes {
  readonly #kept = new LRUCache<string, HashedFile>({ max: MOST_KEPT });

  /** Takes the hash of the file's first bytes out, read from the file where it is not here: after a restart, or for another algorithm. */
  async take(file: StagedFile, algorithm: DigestAlgorithm, position: number): Promise<Hash> {
    const kept = this.#kept.get(file.id);
    this.#kept.delete(file.id);
    if (kept?.algorithm === algorithm && kept.position === position) return kept.hash;
    return hashOf(file, algorithm, position);
  }

  /** The caller gives it away. */
  keep(id: string, hashed: HashedFile): void {
    this.#kept.set(id, hashed);
  }

  forget(id: string): void {
    this.#kept.delete(id);
  }
}

async function hashOf(file: StagedFile, algorithm: DigestAlgorithm, end: number): Promise<Hash> {
  const hash = createHash(algorithm);
  const buffer = Buffer.allocUnsafeSlow(Math.max(1, Math.min(READ_BYTES, end)));
  for (let position = 0; position < end; ) {
    const wanted = buffer.subarray(0, Math.min(buffer.length, end - position));
    const length = await file.read(wanted, position);
    if (length === 0) throw new Error(`staged file ${file.id} ends before byte ${end}`);
    hash.update(wanted.subarray(0, length));
    position += length;
  }
  return hash;
}
