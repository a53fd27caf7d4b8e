import type { BlobStore, StagedFile } from '../../../src/storage/blob-store.ts';
import { StorageFull } from '../../../src/storage/errors.ts';

/** The store on a disk of so many bytes. (`test/faults` has real ones, which need root.) */
export function onSmallDisk(store: BlobStore, total: number): BlobStore {
  const used = new Map<string, number>();
  const free = (): number => total - [...used.values()].reduce((sum, bytes) => sum + bytes, 0);

  const limited = (file: StagedFile): StagedFile => ({
    id: file.id,
    size: () => file.size(),
    async write(chunk, position) {
      if (chunk.length > free()) throw new StorageFull();
      used.set(file.id, (used.get(file.id) ?? 0) + chunk.length);
      await file.write(chunk, position);
    },
    read: (into, position) => file.read(into, position),
    sync: () => file.sync(),
    truncate: (size) => file.truncate(size),
    async commit(digest) {
      await file.commit(digest);
      used.set(digest, used.get(file.id) ?? 0);
      used.delete(file.id);
    },
    async discard() {
      await file.discard();
      used.delete(file.id);
    },
    [Symbol.asyncDispose]: () => file[Symbol.asyncDispose](),
  });

  return {
    open: (digest) => store.open(digest),
    size: (digest) => store.size(digest),
    async remove(digest) {
      await store.remove(digest);
      used.delete(digest);
    },
    stored: () => store.stored(),
    stage: async (id) => limited(await store.stage(id)),
    staged: () => store.staged(),
    space: async () => ({ total, free: free() }),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}
