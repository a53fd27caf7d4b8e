/**
 * Run by a test as a process of its own: owns the data folder of its first argument, says so, and then writes groups of
 * users until it is killed. A line on its output is a name whose write was acknowledged.
 */
import { writeSync } from 'node:fs';
import { openDatabase } from '../../src/database/open-database.ts';

const [folder = ''] = process.argv.slice(2);
const database = await openDatabase(folder, { now: Date.now });
writeSync(1, 'owns\n');

async function add(name: string): Promise<void> {
  await database.write((transaction) =>
    transaction
      .insertInto('users')
      .values({ name, password_hash: 'x'.repeat(500), admin: 0, created_at: 0, updated_at: 0 })
      .execute(),
  );
  writeSync(1, `${name}\n`);
}

for (let group = 0; ; group++) {
  await Promise.all(Array.from({ length: 8 }, (_, index) => add(`${group}.${index}`)));
}
