import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { databases } from '../support/databases.ts';

for (const engine of databases) {
  describe(`the first migration on ${engine.name}`, () => {
    it('makes this node known by a UUID and as endpoint 0', async () => {
      await using database = await engine.open();

      const instance = await database.read.selectFrom('instance').selectAll().execute();
      const endpoints = await database.read.selectFrom('endpoints').selectAll().execute();

      assert.equal(instance.length, 1);
      assert.match(instance[0]?.id ?? '', /^[0-9a-f]{8}-[0-9a-f-]{27}$/);
      assert.deepEqual(
        endpoints.map(({ id, name }) => [id, name]),
        [[0, 'local']],
      );
    });
  });
}
