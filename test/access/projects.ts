import type { Database } from '../../src/database/database.ts';

/** A private hosted project; resolves to its id. */
export async function addProject(database: Database, name: string): Promise<number> {
  const { id } = await database.write((transaction) =>
    transaction
      .insertInto('projects')
      .values({
        name,
        kind: 'hosted',
        public: 0,
        reference_mode: 'strict',
        is_default: 0,
        owner: 'admin',
        declared: 0,
        settings: '{}',
        created_at: 0,
        updated_at: 0,
      })
      .returning('id')
      .executeTakeFirstOrThrow(),
  );
  return id;
}
