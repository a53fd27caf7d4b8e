import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { send, startRoutes, things } from './support/routes.ts';

function post(body: string, headers: Record<string, string> = {}) {
  const type = { 'Content-Type': 'application/json' };
  return { ...send('/things', 'guest', { ...type, ...headers }), method: 'POST', body };
}

describe('a body', () => {
  const Thing = z.object({ name: z.string(), size: z.number().optional() });
  const echo = things(async (request) => ({ json: await request.json(Thing) }));

  it('is what the operation wants, or the answer names what is wrong', async () => {
    await using node = await startRoutes(echo);

    const right = await node.send(post('{"name":"a","more":1}'));
    const wrong = await node.send(post('{"size":"large"}'));

    assert.deepEqual(right.json(), { name: 'a' });
    assert.equal(wrong.status, 400);
    assert.match(wrong.body.toString(), /name: .*; size: /);
  });

  it('may say null for what it leaves out', async () => {
    await using node = await startRoutes(echo);

    const answer = await node.send(post('{"name":"a","size":null}'));

    assert.deepEqual(answer.json(), { name: 'a' });
  });

  it('is JSON, says so, is there, and is no larger than it needs to be', async () => {
    await using node = await startRoutes(echo);
    const large = JSON.stringify({ name: 'x'.repeat(2 << 20) });

    assert.equal((await node.send(post('{'))).status, 400);
    assert.equal(
      (await node.send(post('{"name":"a"}', { 'Content-Type': 'text/plain' }))).status,
      400,
    );
    assert.equal((await node.send(post(''))).status, 400);
    const refused = await node.send(post(large));
    assert.equal(refused.status, 413);
    assert.equal(refused.code, 'REQUEST_ENTITY_TOO_LARGE');
  });
});

describe('a list', () => {
  const listed = things(() => ({ json: [], total: 25 }));
  const ask = async (query: string) => {
    await using node = await startRoutes(listed);
    return (await node.send(send(`/things/1${query}`))).headers;
  };

  it('tells how many there are, and where the pages before and after are', async () => {
    const first = await ask('');
    const middle = await ask('?page=2&page_size=10&q=name%3D~a');
    const last = await ask('?page=3');

    assert.equal(first['x-total-count'], '25');
    assert.equal(first['link'], '</api/v2.0/things/1?page=2&page_size=10>; rel="next"');
    assert.equal(
      middle['link'],
      '</api/v2.0/things/1?page=1&page_size=10&q=name%3D%7Ea>; rel="prev" , ' +
        '</api/v2.0/things/1?page=3&page_size=10&q=name%3D%7Ea>; rel="next"',
    );
    assert.equal(last['link'], '</api/v2.0/things/1?page=2&page_size=10>; rel="prev"');
  });
});
