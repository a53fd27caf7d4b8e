import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { digestOf } from '../../src/oci/digest.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { until } from '../support/until.ts';
import { startUpstream } from '../support/upstream.ts';
import { endpointAt, startReplicatingNode } from './support/nodes.ts';
import { push } from './support/push.ts';

const WITHIN = { withinMs: 20_000 };
const APP = 'library/app';

describe('what happens while a copy is under way', () => {
  it('does not lose a push of the same tag', async () => {
    await using world = await openForwarding({});
    const { here, there } = world;
    const held = Promise.withResolvers<void>();
    const rule = there.behave(
      { method: 'HEAD', path: /manifests\/v1/, times: 1 },
      { hold: held.promise },
    );
    await push(here, 'team/app', 'v1', { text: 'first' });
    await until(() => there.count({ method: 'HEAD', path: /manifests\/v1/ }) > 0, WITHIN);

    const second = await push(here, 'team/app', 'v1', { text: 'second' });
    held.resolve();

    await until(() => there.tagged('team/app', 'v1') === second, WITHIN);
    rule[Symbol.dispose]();
  });

  it('does not put an older manifest over a newer one', async () => {
    await using world = await openForwarding({});
    const { here, there } = world;
    const held = Promise.withResolvers<void>();
    using _ = there.behave({ method: 'POST', path: /uploads/, times: 1 }, { hold: held.promise });
    await push(here, 'team/app', 'v1', { text: 'first' });
    await until(() => there.count({ method: 'POST', path: /uploads/ }) > 0, WITHIN);

    const second = await push(here, 'team/app', 'v1', { text: 'second' });
    await until(() => there.tagged('team/app', 'v1') === second, WITHIN);
    held.resolve();

    await here.idle();
    assert.equal(there.tagged('team/app', 'v1'), second);
  });

  it('does not put an older manifest over one that was pushed here', async () => {
    await using directory = await temporaryDirectory();
    await using upstream = await startUpstream();
    const { layers } = upstream.addImage(APP, 'v1', [Buffer.from('theirs')]);
    await using node = await startReplicatingNode(directory.path, 'node', {
      projects: { mirror: {} },
      endpoints: { upstream: endpointAt(upstream.url) },
      policies: {
        replication: {
          nightly: {
            source: 'upstream',
            destinations: [{ endpoint: 'local', namespace: 'mirror' }],
            repositories: [APP],
            override: false,
          },
        },
      },
    });
    const held = Promise.withResolvers<void>();
    const layer = new RegExp(layers[0]?.digest ?? '-');
    using _ = upstream.behave({ method: 'GET', path: layer, times: 1 }, { hold: held.promise });
    const execution = await node.start(1);
    await until(() => upstream.count({ method: 'GET', path: layer }) > 0, WITHIN);

    const ours = await push(node, `mirror/${APP}`, 'v1', { text: 'ours' });
    held.resolve();

    assert.equal((await node.ended(execution)).status, 'Succeed');
    const kept = await node.send({ path: `/v2/mirror/${APP}/manifests/v1` });
    assert.equal(digestOf(kept.body), ours);
  });

  it('keeps what is pushed again after it was deleted', async () => {
    await using world = await openForwarding({ delete: true });
    const { here, there } = world;
    await push(here, 'team/app', 'v1', { text: 'first' });
    await until(() => there.tagged('team/app', 'v1') !== undefined, WITHIN);

    await here.send({ method: 'DELETE', path: '/v2/team/app/manifests/v1' });
    const second = await push(here, 'team/app', 'v1', { text: 'second' });

    await until(() => there.tagged('team/app', 'v1') === second, WITHIN);
    await here.idle();
    assert.equal(there.tagged('team/app', 'v1'), second);
  });
});

describe('rules of a policy that an event triggers', () => {
  it('hold for labels, and for what belongs to what they leave out', async () => {
    await using world = await openForwarding({ tags: ['v*'], labels: ['released'] });
    const { here, there } = world;

    await push(here, 'team/app', 'v1');
    const edge = await push(here, 'team/app', 'edge');
    await push(here, 'team/app', undefined, { subject: edge });

    await here.idle();
    assert.equal(there.tagged('team/app', 'v1'), undefined);
    assert.equal(there.count({ method: 'PUT', path: /manifests/ }), 0);
  });

  it('bring cosign’s tags of what they select', async () => {
    await using world = await openForwarding({ tags: ['v*'] });
    const { here, there } = world;
    const digest = await push(here, 'team/app', 'v1');
    await until(() => there.tagged('team/app', 'v1') === digest, WITHIN);

    const signature = `${digest.replace(':', '-')}.sig`;
    await push(here, 'team/app', signature);

    await until(() => there.tagged('team/app', signature) !== undefined, WITHIN);
  });
});

describe('a policy whose rules cannot be had', () => {
  it('is refused in the configuration file where it would copy its own copies', async () => {
    await using directory = await temporaryDirectory();
    const configuration = {
      projects: { team: {} },
      policies: {
        replication: {
          round: {
            source: 'local',
            destinations: [{ endpoint: 'local', namespace: 'team' }],
            repositories: ['team/**'],
            trigger: { event: 'push' },
          },
        },
      },
    };

    await assert.rejects(startReplicatingNode(directory.path, 'node', configuration), {
      name: 'DeclarationConflict',
    });
  });

  it('copies nothing where two repositories would have one name', async () => {
    await using directory = await temporaryDirectory();
    await using upstream = await startUpstream();
    upstream.addImage('a/app', 'one', [Buffer.from('one')]);
    upstream.addImage('b/app', 'two', [Buffer.from('two')]);
    await using node = await startReplicatingNode(
      directory.path,
      'node',
      fromUpstream(upstream.url, {
        repositories: ['*/app'],
        destinations: [{ endpoint: 'local', namespace: 'mirror', flatten: 'all' }],
      }),
    );

    assert.equal((await node.run(1)).status, 'Failed');
    assert.deepEqual(await node.tags('mirror/app'), []);
  });

  it('writes nothing into the cache of another registry', async () => {
    await using directory = await temporaryDirectory();
    await using upstream = await startUpstream();
    await using other = await startUpstream();
    upstream.addImage(APP, 'v1', [Buffer.from('layer')]);
    const { endpoints, ...rest } = fromUpstream(upstream.url, {
      destinations: [{ endpoint: 'local', namespace: 'hub' }],
    });
    await using node = await startReplicatingNode(directory.path, 'node', {
      ...rest,
      endpoints: { ...endpoints, other: endpointAt(other.url) },
      projects: {
        hub: { public: true, proxy: { endpoints: ['other'], upstreamHost: 'hub.example' } },
      },
    });

    const execution = await node.run(1);

    assert.equal(execution.status, 'Failed');
    assert.match(await node.log(execution.id), /a cache of another registry/);
    assert.equal((await node.send({ path: `/v2/hub/${APP}/manifests/v1` })).status, 404);
  });

  it('prewarms the cache of its own source', async () => {
    await using directory = await temporaryDirectory();
    await using upstream = await startUpstream();
    const { manifest } = upstream.addImage(APP, 'v1', [Buffer.from('layer')]);
    await using node = await startReplicatingNode(directory.path, 'node', {
      ...fromUpstream(upstream.url, { destinations: [{ endpoint: 'local', namespace: 'hub' }] }),
      projects: {
        hub: { public: true, proxy: { endpoints: ['upstream'], upstreamHost: 'hub.example' } },
      },
    });

    const execution = await node.run(1);

    assert.equal(execution.status, 'Succeed', await node.log(execution.id));
    const before = upstream.requests.length;
    const served = await node.send({ path: `/v2/hub/${APP}/manifests/v1` });
    assert.equal(digestOf(served.body), manifest.digest);
    assert.equal(upstream.requests.length, before);
  });
});

describe('a source that is not what it seems', () => {
  it('cannot be reached, and tasks say what the network said', async () => {
    await using directory = await temporaryDirectory();
    const upstream = await startUpstream();
    await upstream[Symbol.asyncDispose]();
    await using node = await startReplicatingNode(
      directory.path,
      'node',
      fromUpstream(upstream.url, {}),
    );

    const id = await node.start(1);

    await node.untilLogged(id, /is unavailable \(\S+\): .*connect ECONNREFUSED 127\.0\.0\.1/);
  });

  it('has one tag that cannot be read, and the others are copied', async () => {
    await using directory = await temporaryDirectory();
    await using upstream = await startUpstream();
    upstream.addImage(APP, 'v1', [Buffer.from('fine')]);
    const { manifest } = upstream.addImage(APP, 'dead', [Buffer.from('dead')]);
    upstream.tag(APP, 'gone', digestOf(Buffer.from('nothing')));
    using _ = upstream.behave({ path: /manifests\/dead/ }, { status: 404 });
    assert.ok(manifest);
    await using node = await startReplicatingNode(
      directory.path,
      'node',
      fromUpstream(upstream.url, {}),
    );

    await node.run(1);

    assert.deepEqual(await node.tags(`mirror/${APP}`), ['v1']);
  });

  it('loses all its tags, and a mirror keeps them', async () => {
    await using directory = await temporaryDirectory();
    await using upstream = await startUpstream();
    upstream.addImage(APP, 'v1', [Buffer.from('fine')]);
    await using node = await startReplicatingNode(
      directory.path,
      'node',
      fromUpstream(upstream.url, { prune: {} }),
    );
    await node.run(1);
    upstream.remove(APP, 'v1');

    assert.equal((await node.run(1)).status, 'Failed');
    assert.deepEqual(await node.tags(`mirror/${APP}`), ['v1']);
  });

  it('gives a layer once for all repositories of a project', async () => {
    await using directory = await temporaryDirectory();
    await using upstream = await startUpstream();
    const shared = Buffer.from('shared');
    upstream.addImage('library/a', 'v1', [shared]);
    upstream.addImage('library/b', 'v1', [shared, Buffer.from('own')]);
    const configuration = fromUpstream(upstream.url, { repositories: ['library/a', 'library/b'] });
    await using node = await startReplicatingNode(directory.path, 'node', configuration);
    upstream.behave({ path: /library\/b\/tags/ }, { status: 404 });
    await node.run(1);
    upstream.recover();

    assert.equal((await node.run(1)).status, 'Succeed');

    assert.equal(upstream.count({ method: 'GET', path: new RegExp(digestOf(shared)) }), 1);
  });
});

async function openForwarding(rules: Readonly<Record<string, unknown>>) {
  await using opened = new AsyncDisposableStack();
  const directory = opened.use(await temporaryDirectory());
  const there = opened.use(await startUpstream());
  const here = opened.use(
    await startReplicatingNode(directory.path, 'here', {
      projects: { team: {} },
      endpoints: { there: endpointAt(there.url) },
      policies: {
        replication: {
          onward: {
            source: 'local',
            destinations: [{ endpoint: 'there' }],
            repositories: ['team/**'],
            trigger: { event: 'push' },
            ...rules,
          },
        },
      },
    }),
  );
  const resources = opened.move();
  return { here, there, [Symbol.asyncDispose]: () => resources.disposeAsync() };
}

function fromUpstream(url: URL, rules: Readonly<Record<string, unknown>>) {
  return {
    projects: { mirror: {} },
    endpoints: { upstream: endpointAt(url) },
    policies: {
      replication: {
        nightly: {
          source: 'upstream',
          destinations: [{ endpoint: 'local', namespace: 'mirror' }],
          repositories: [APP],
          ...rules,
        },
      },
    },
  };
}
