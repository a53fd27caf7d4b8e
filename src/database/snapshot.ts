import { rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { MARK_COPY } from './copy-mark.ts';
import { makeFolder, makePrivateFile, replaceDurably } from './data-folder.ts';

/**
 * Copies a database as it is at this moment, while others read and write it. `target` is replaced once the copy is whole
 * and durable; a node that starts from it has another epoch of the feed. Holds the thread meanwhile (about a second for each GiB): of a running node, copy in another process.
 */
export async function snapshotTo(target: string, source: string): Promise<void> {
  await makeFolder(dirname(target));
  const partial = `${target}.partial`;
  // What a copy that was cut short left.
  await rm(partial, { force: true });
  await makePrivateFile(partial);
  copy(source, partial);
  await replaceDurably(partial, target);
}

function copy(source: string, target: string): void {
  using connection = new DatabaseSync(source, { readOnly: true, timeout: 5000 });
  connection.prepare('vacuum into ?').run(target);
  using copied = new DatabaseSync(target);
  copied.exec(MARK_COPY);
}
