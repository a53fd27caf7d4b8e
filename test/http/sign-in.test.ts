import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ADMIN, startNode } from './support/node.ts';

describe('a client that guesses passwords', () => {
  for (const guessed of ['/service/token?service=portolan', '/v2/']) {
    it(`at ${guessed} is told when to come again, there and everywhere else`, async () => {
      await using node = await startNode();
      for (let n = 0; n < 10; n++) {
        assert.equal((await node.send({ path: guessed, as: `admin:guess${n}` })).status, 401);
      }

      for (const path of ['/service/token', '/v2/', '/v2/local/app/tags/list', '/api/v2.0/users']) {
        const answer = await node.send({ path, as: 'admin:another' });
        assert.equal(answer.status, 429, path);
        assert.match(answer.headers['retry-after'] ?? '', /^[1-9]\d?$/);
      }
    });
  }

  it('from an address that the user works at does not stop the work', async () => {
    await using node = await startNode();
    const login = async (as: string) => (await node.send({ path: '/service/token', as })).status;
    assert.equal(await login(ADMIN), 200);

    for (let n = 0; n < 20; n++) await login(`admin:guess${n}`);

    assert.equal(await login('admin:guess'), 429);
    assert.equal(await login(ADMIN), 200);
  });
});
