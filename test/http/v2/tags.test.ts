import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ADMIN, startNode } from '../support/node.ts';
import { pushImage } from '../support/push.ts';

const LIST = '/v2/local/app/tags/list';

describe('GET /v2/<name>/tags/list (end-8a, end-8b)', () => {
  it('lists all tags in byte order under the name that was asked for', async () => {
    await using node = await startNode();
    await pushImage(node, 'local/app', ['b', 'B', 'a', '_', '1.0', '1.0.0']);

    const answer = await node.send({ path: LIST });

    assert.equal(answer.status, 200);
    assert.deepEqual(answer.json(), {
      name: 'local/app',
      tags: ['1.0', '1.0.0', 'B', '_', 'a', 'b'],
    });
    assert.match(String(answer.headers['content-type']), /^application\/json/);
    assert.equal(answer.headers['link'], undefined);
  });

  it('starts strictly after last, which need not exist', async () => {
    await using node = await startNode();
    await pushImage(node, 'local/app', ['a', 'b', 'c']);

    const existing = await node.send({ path: `${LIST}?last=b` });
    const absent = await node.send({ path: `${LIST}?last=aa` });
    const beyond = await node.send({ path: `${LIST}?last=zzz` });

    assert.deepEqual(existing.json(), { name: 'local/app', tags: ['c'] });
    assert.deepEqual(absent.json(), { name: 'local/app', tags: ['b', 'c'] });
    assert.deepEqual(beyond.json(), { name: 'local/app', tags: [] });
  });

  it('leads through all pages by relative links, the last of which has none', async () => {
    await using node = await startNode();
    const tags = ['a', 'b', 'c', 'd', 'e'];
    await pushImage(node, 'local/app', tags);
    const pages: unknown[] = [];

    let next: string | undefined = `${LIST}?n=2`;
    while (next !== undefined) {
      const answer = await node.send({ path: next });
      pages.push(answer.json());
      next = /^<(\/v2\/[^>]+)>; rel="next"$/.exec(String(answer.headers['link']))?.[1];
    }

    assert.deepEqual(pages, [
      { name: 'local/app', tags: ['a', 'b'] },
      { name: 'local/app', tags: ['c', 'd'] },
      { name: 'local/app', tags: ['e'] },
    ]);
  });

  it('gives no link when the page is exactly the rest', async () => {
    await using node = await startNode();
    await pushImage(node, 'local/app', ['a', 'b']);

    const answer = await node.send({ path: `${LIST}?n=2` });

    assert.equal(answer.headers['link'], undefined);
  });

  it('answers n=0 with none and no link', async () => {
    await using node = await startNode();
    await pushImage(node, 'local/app', ['a', 'b']);

    const answer = await node.send({ path: `${LIST}?n=0` });

    assert.deepEqual(answer.json(), { name: 'local/app', tags: [] });
    assert.equal(answer.headers['link'], undefined);
  });

  for (const n of ['-1', 'ten', '1.5', '', '0x10', '1e3']) {
    it(`refuses n=${n}`, async () => {
      await using node = await startNode();

      const answer = await node.send({ path: `${LIST}?n=${n}` });

      assert.equal(answer.status, 400);
      assert.equal(answer.code, 'PAGINATION_NUMBER_INVALID');
    });
  }

  it('cuts an enormous n rather than refuse it', async () => {
    await using node = await startNode();
    await pushImage(node, 'local/app', ['a']);

    const answer = await node.send({ path: `${LIST}?n=${'9'.repeat(30)}` });

    assert.deepEqual(answer.json(), { name: 'local/app', tags: ['a'] });
  });

  it('says NAME_UNKNOWN of a repository that nobody pushed to', async () => {
    await using node = await startNode();

    const whole = await node.send({ path: LIST });
    const none = await node.send({ path: `${LIST}?n=0` });

    assert.equal(whole.status, 404);
    assert.equal(whole.code, 'NAME_UNKNOWN');
    assert.equal(none.status, 404);
  });
});

/** As clients with no login say that they want to go on without one. */
const NOBODY = ':';

describe('GET /v2/_catalog', () => {
  it('lists canonical names in byte order, of the projects that the caller may see', async () => {
    await using node = await startNode();
    for (const name of ['secret/app', 'local/b', 'local/a/x']) await pushImage(node, name, ['v1']);

    const anonymous = await node.send({ path: '/v2/_catalog', as: NOBODY });
    const admin = await node.send({ path: '/v2/_catalog', as: ADMIN });

    assert.deepEqual(anonymous.json(), { repositories: ['local/a/x', 'local/b'] });
    assert.deepEqual(admin.json(), { repositories: ['local/a/x', 'local/b', 'secret/app'] });
  });

  it('asks who is silent to sign in, or regctl and oras never see what their user may', async () => {
    await using node = await startNode();

    const { status, headers } = await node.send({ path: '/v2/_catalog' });

    assert.equal(status, 401);
    assert.match(String(headers['www-authenticate']), /,scope="registry:catalog:\*"$/);
  });

  it('pages as tags do', async () => {
    await using node = await startNode();
    for (const name of ['local/a', 'local/b', 'local/c']) await pushImage(node, name, ['v1']);

    const as = NOBODY;
    const first = await node.send({ path: '/v2/_catalog?n=2', as });
    const second = await node.send({ path: '/v2/_catalog?last=local%2Fb&n=2', as });
    const none = await node.send({ path: '/v2/_catalog?n=0', as });
    const bad = await node.send({ path: '/v2/_catalog?n=x', as });

    assert.deepEqual(first.json(), { repositories: ['local/a', 'local/b'] });
    assert.equal(first.headers['link'], '</v2/_catalog?last=local%2Fb&n=2>; rel="next"');
    assert.deepEqual(second.json(), { repositories: ['local/c'] });
    assert.equal(second.headers['link'], undefined);
    assert.deepEqual(none.json(), { repositories: [] });
    assert.equal(bad.code, 'PAGINATION_NUMBER_INVALID');
  });
});
