/** There is no room (ENOSPC, EDQUOT): the bytes cannot be kept, and nothing of them was. */
export class StorageFull extends Error {
  override readonly name = 'StorageFull';

  constructor(options?: { cause?: unknown }) {
    super('storage is full', options);
  }
}
