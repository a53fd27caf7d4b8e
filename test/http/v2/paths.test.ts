import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ADMIN, startNode } from '../support/node.ts';
import { ABSENT, pushBlob, pushImage } from '../support/push.ts';

describe('a path under /v2', () => {
  const AMBIGUOUS = [
    '/v2/local%2Fapp/manifests/v1',
    '/v2/local%2fapp/tags/list',
    '/v2/local/app%5Cx/manifests/v1',
    '/v2/local/app/manifests/v1%00',
    '/v2/local/%2e%2e/secret/manifests/v1',
    '/v2/local/../secret/app/manifests/v1',
    '/v2/local/./app/manifests/v1',
    '/v2/local//app/manifests/v1',
    '/v2//local/app/manifests/v1',
    '/v2/local/app/manifests/..',
    '/v2/local/app\\x/manifests/v1',
    '/v2/local/%61pp/manifests/v1',
    '/v2/local/app/manifests/%',
    '/v2/local/app/manifests/v1#x',
  ];
  for (const path of AMBIGUOUS) {
    it(`is refused before it routes when it can be read in two ways: ${path}`, async () => {
      await using node = await startNode();

      const answer = await node.send({ path, as: ADMIN });

      assert.equal(answer.status, 400);
      assert.equal(answer.code, 'NAME_INVALID');
    });
  }

  it('may have the colon of a digest escaped', async () => {
    await using node = await startNode();
    const digest = await pushBlob(node, 'local/app', 'layer');

    const upper = await node.send({ path: `/v2/local/app/blobs/${digest.replace(':', '%3A')}` });
    const lower = await node.send({ path: `/v2/local/app/blobs/${digest.replace(':', '%3a')}` });

    assert.equal(upper.body.toString(), 'layer');
    assert.equal(lower.body.toString(), 'layer');
  });

  it('is read from its end, so that a repository may have parts named like endpoints', async () => {
    await using node = await startNode();
    const names = [
      'local/blobs/uploads',
      'local/manifests/tags',
      'local/tags/list',
      'local/v2/blobs',
    ];

    for (const name of names) {
      const { digest } = await pushImage(node, name, ['latest']);

      const manifest = await node.send({ path: `/v2/${name}/manifests/latest` });
      const tags = await node.send({ path: `/v2/${name}/tags/list` });
      assert.equal(manifest.headers['docker-content-digest'], digest);
      assert.deepEqual(tags.json(), { name, tags: ['latest'] });
    }
  });

  it('that is too long is 414', async () => {
    await using node = await startNode();

    const answer = await node.send({ path: `/v2/local/${'a'.repeat(9000)}/tags/list` });

    assert.equal(answer.status, 414);
    assert.equal(answer.code, 'UNSUPPORTED');
  });

  it('with a name that the grammar forbids is 400 NAME_INVALID', async () => {
    await using node = await startNode();
    const names = ['Local/app', 'local/-app', 'local/app_', 'local/a..b', 'local/a:b'];

    for (const name of [...names, `local/${'a'.repeat(256)}`]) {
      const answer = await node.send({ path: `/v2/${name}/tags/list` });
      assert.equal(answer.status, 400, name);
      assert.equal(answer.code, 'NAME_INVALID', name);
    }
  });

  it('that nothing is at is 404 in the form of the specification', async () => {
    await using node = await startNode();

    for (const path of ['/v2/local/app', '/v2/local/app/manifests/a/b', '/v1/search', '/']) {
      const answer = await node.send({ path });
      assert.equal(answer.status, 404, path);
      assert.equal(answer.code, 'UNSUPPORTED', path);
    }
  });

  it('that does not take the method is 405 and says which it takes', async () => {
    await using node = await startNode();

    const answer = await node.send({ method: 'PATCH', path: '/v2/local/app/manifests/v1' });
    const list = await node.send({ method: 'DELETE', path: '/v2/local/app/tags/list', as: ADMIN });

    assert.equal(answer.status, 405);
    assert.equal(answer.headers.allow, 'DELETE, GET, HEAD, PUT');
    assert.equal(answer.code, 'UNSUPPORTED');
    assert.equal(list.headers.allow, 'GET, HEAD');
  });

  it('with a parameter given twice is refused, since readers disagree about which counts', async () => {
    await using node = await startNode();

    const answer = await node.send({ path: '/v2/local/app/manifests/v1?ns=docker.io&ns=quay.io' });

    assert.equal(answer.status, 400);
    assert.equal(answer.code, 'UNSUPPORTED');
  });
});

describe('?ns=', () => {
  it('is echoed as OCI-Namespace, and in Link', async () => {
    await using node = await startNode({
      ports: () => ({ tags: { tags: async () => ['a', 'b', 'c'] } }),
    });

    const answer = await node.send({ path: '/v2/library/alpine/tags/list?n=2&ns=docker.io' });

    assert.equal(answer.headers['oci-namespace'], 'docker.io');
    assert.equal(
      answer.headers['link'],
      '</v2/library/alpine/tags/list?last=b&n=2&ns=docker.io>; rel="next"',
    );
    assert.deepEqual(answer.json(), { name: 'library/alpine', tags: ['a', 'b'] });
  });

  it('of an upstream that is not mirrored is 404 NAME_UNKNOWN, of a write 405', async () => {
    await using node = await startNode();

    const pull = await node.send({ path: '/v2/library/alpine/manifests/latest?ns=evil.example' });
    const push = await node.send({
      method: 'POST',
      path: '/v2/library/alpine/blobs/uploads/?ns=docker.io',
      as: ADMIN,
    });

    assert.equal(pull.status, 404);
    assert.equal(pull.code, 'NAME_UNKNOWN');
    assert.equal(push.status, 405);
  });
});

describe('a name that no project has', () => {
  it('is the default proxy project for pulls, and says where to push instead', async () => {
    await using node = await startNode();

    const pull = await node.send({ path: `/v2/alpine/manifests/${ABSENT}` });
    const push = await node.send({ method: 'POST', path: '/v2/x/y/blobs/uploads/', as: ADMIN });

    assert.equal(pull.status, 404);
    assert.equal(push.status, 403);
    assert.equal(push.code, 'DENIED');
    assert.match(push.body.toString(), /push to <project>\/<name>; project x does not exist/);
  });
});
