import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { digestOf } from '../../src/oci/digest.ts';
import { startApiNode } from '../http/api/support/node.ts';
import { pushImage } from '../http/support/push.ts';
import { connectPeer } from '../support/registry-peer.ts';
import { startUpstream } from '../support/upstream.ts';
import { conformsToPeer } from './conformance.ts';
import { conformsToLists } from './conformance-listings.ts';
import { conformsToPlainRegistry } from './conformance-plain.ts';
import { opening } from './conformance-pushes.ts';
import { vendorOf } from './vendor.ts';

const signal = AbortSignal.timeout(120_000);
const ADMIN = { username: 'admin', password: 'pw' };

/** Another Portolan, whose API is Harbor's, and whose every answer is held against Harbor's contract. */
async function startHarbor(credential: typeof ADMIN = ADMIN, options: object = {}) {
  const stack = new AsyncDisposableStack();
  const node = stack.use(await startApiNode());
  const url = `http://${node.host}:${node.port}`;
  const { peer } = stack.use(connectPeer({ adapter: 'harbor', url, credential, options }));
  return {
    node,
    peer,
    url,
    async hold(repository: string, tag: string) {
      await peer.preparePush?.(repository, { signal });
      const more = { annotations: { made: `${repository}:${tag}` } };
      return (await pushImage(node, repository, [tag], more)).digest;
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

describe('the Harbor adapter', () => {
  conformsToPeer(vendorOf('harbor'));
  conformsToPlainRegistry(vendorOf('harbor'));
  conformsToLists({ adapter: 'harbor', moreThanPage: 101, start: startHarbor });

  it('makes the project that a push needs, as visible as it is told', async () => {
    await using harbor = await startHarbor();
    const bytes = Buffer.from('layer');
    const blob = { digest: digestOf(bytes), size: bytes.length };

    await harbor.peer.preparePush?.('fresh/app', { signal, isPublic: true });
    await harbor.peer.preparePush?.('closed/app', { signal });
    await harbor.peer.pushBlob('fresh/app', blob, opening(bytes), { signal });

    const isPublic = async (name: string) => {
      const answer = await harbor.node.call(`GET /projects/${name}`);
      return /"public":"(\w+)"/.exec(answer.body.toString())?.[1];
    };
    assert.equal(await isPublic('fresh'), 'true');
    assert.equal(await isPublic('closed'), 'false');
  });

  it('asks for a project that is there once in a while, and makes none that is', async () => {
    await using upstream = await startUpstream();
    upstream.behave({ path: /^\/api/ }, { status: 200, body: '' });
    using connected = connectPeer({ adapter: 'harbor', url: upstream.url, credential: ADMIN });

    for (let i = 0; i < 3; i++) await connected.peer.preparePush?.(`team/app${i}`, { signal });

    const asked = upstream.requests.map(({ method, path }) => `${method} ${path}`);
    assert.deepEqual(asked, ['HEAD /api/v2.0/projects?project_name=team']);
  });

  it('makes no project where it is told not to', async () => {
    await using upstream = await startUpstream();
    const options = { createProjects: false };
    using connected = connectPeer({ adapter: 'harbor', url: upstream.url, options });

    await connected.peer.preparePush?.('team/app', { signal });

    assert.equal(upstream.requests.length, 0);
  });

  it('is content with a project that somebody else made a moment ago', async () => {
    await using upstream = await startUpstream();
    upstream.behave({ path: /^\/api/, method: 'POST' }, { status: 409 });
    upstream.behave({ path: /^\/api/, method: 'HEAD' }, { status: 404 });
    using connected = connectPeer({ adapter: 'harbor', url: upstream.url, credential: ADMIN });

    await connected.peer.preparePush?.('team/app', { signal });

    assert.equal(upstream.count({ method: 'POST' }), 1);
  });

  it('tells who may not make a project, in the registry’s words', async () => {
    await using harbor = await startHarbor({ username: 'guest', password: 'pw' });
    await harbor.node.call('PUT /configurations', { project_creation_restriction: 'adminonly' });

    await assert.rejects(harbor.peer.preparePush?.('fresh/app', { signal }) ?? Promise.resolve(), {
      name: 'UpstreamDenied',
    });
  });

  it('has no repository outside of a project', async () => {
    await using harbor = await startHarbor();

    await assert.rejects(harbor.peer.preparePush?.('alone', { signal }) ?? Promise.resolve(), {
      code: 'NAME_INVALID',
    });
  });

  it('knows tags in repositories of several parts, with labels and times', async () => {
    await using harbor = await startHarbor();
    const before = Date.now() - 1000;
    const digest = await harbor.hold('team/deep/er/app', '1.0');
    const label = await harbor.node.create('/labels', { name: 'stable', scope: 'g' });
    await harbor.node.call(
      'POST /projects/team/repositories/deep%252Fer%252Fapp/artifacts/1.0/labels',
      { id: Number(label.split('/').at(-1)) },
    );

    const [tag, ...more] = await Array.fromAsync(
      harbor.peer.tagDigests?.('team/deep/er/app', { signal }) ?? [],
    );

    assert.deepEqual(more, []);
    assert.equal(tag?.digest, digest);
    assert.deepEqual(tag.labels, ['stable']);
    assert.ok((tag.pushedAt ?? 0) >= before, String(tag.pushedAt));
  });

  it('finds where a blob may be mounted from', async () => {
    await using upstream = await startUpstream();
    using connected = connectPeer({ adapter: 'harbor', url: upstream.url, credential: ADMIN });
    const digest = digestOf(Buffer.from('layer'));
    upstream.behave({ path: /^\/api/ }, { body: '[{"name":"team/base"}]', status: 200 });

    assert.equal(
      await connected.peer.repositoryWith?.(digest, { project: 'team', signal }),
      'team/base',
    );
    const { searchParams } = new URL(upstream.requests[0]?.path ?? '', upstream.url);
    assert.equal(searchParams.get('q'), `blob_digest=${digest}`);
  });

  it('asks where once, and holds no failure of that against the host', async () => {
    await using upstream = await startUpstream();
    upstream.addImage('team/app', '1', [Buffer.from('layer')]);
    upstream.behave({ path: /blob_digest/ }, { status: 500 });
    const limits = { breakerFailures: 1 };
    const { url } = upstream;
    using connected = connectPeer({ adapter: 'harbor', url, credential: ADMIN, limits });
    const digest = digestOf(Buffer.from('layer'));

    await assert.rejects(
      async () => connected.peer.repositoryWith?.(digest, { project: 'team', signal }),
      { reason: 'server-error' },
    );

    assert.equal(upstream.count({ path: /blob_digest/ }), 1);
    await connected.peer.headManifest('team/app', '1', { signal });
  });

  it('shows its credential to the API without being asked, and to nobody else', async () => {
    await using upstream = await startUpstream();
    await using other = await startUpstream();
    upstream.behave({ path: /^\/api/ }, { redirectTo: new URL('x', other.url) });
    using connected = connectPeer({ adapter: 'harbor', url: upstream.url, credential: ADMIN });
    const digest = digestOf(Buffer.from('layer'));

    await connected.peer.repositoryWith?.(digest, { project: 'team', signal });

    assert.match(upstream.requests[0]?.headers.authorization ?? '', /^Basic /);
    assert.equal(other.requests[0]?.headers.authorization, undefined);
  });
});
