import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { digestOf } from '../../src/oci/digest.ts';
import { PruneRepository } from '../../src/replication/payloads.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { startUpstream, type Upstream } from '../support/upstream.ts';
import { endpointAt, type ReplicatingNode, startReplicatingNode } from './support/nodes.ts';
import { push } from './support/push.ts';

const A = 'library/a';
const B = 'library/b';

describe('what is pushed while a mirror waits with its deletions', () => {
  it('stays, on this node', async () => {
    await using world = await openWorld({ endpoint: 'local', namespace: 'mirror' });
    const { node } = world;
    await using waiting = await startWaiting(world);

    const ours = await push(node, `mirror/${A}`, 'v2', { text: 'ours' });

    await waiting.end();
    const { body } = await node.send({ path: `/v2/mirror/${A}/manifests/v2` });
    assert.equal(digestOf(body), ours);
    assert.deepEqual(await node.tags(`mirror/${A}`), ['v1', 'v2']);
    assert.match(await node.log(waiting.execution), /skipped: it was pushed anew/);
  });

  it('stays, at another registry', async () => {
    await using world = await openWorld({ endpoint: 'there' });
    const { node, there } = world;
    await using waiting = await startWaiting(world);

    const { manifest } = there.addImage(A, 'v2', [Buffer.from('ours')]);

    await waiting.end();
    assert.equal(there.tagged(A, 'v2'), manifest.digest);
    assert.equal(there.tagged(A, 'v3'), undefined);
    assert.match(await node.log(waiting.execution), /skipped: it was pushed anew/);
  });
});

describe('a mirror loses what its source has still', () => {
  it('as a signature, when what it signs is gone', async () => {
    await using world = await openWorld({ endpoint: 'local', namespace: 'mirror' });
    const { upstream, node } = world;
    const [one, two] = ['v1', 'v2'].map((tag) => {
      const { digest } = upstream.addImage(A, tag, [Buffer.from(tag)]).manifest;
      const signature = `${digest.replace(':', '-')}.sig`;
      upstream.addImage(A, signature, [Buffer.from(signature)]);
      return signature;
    });
    upstream.addImage(B, 'v1', [Buffer.from('other')]);
    await node.run(1);
    assert.equal((await node.tags(`mirror/${A}`)).length, 4);
    upstream.remove(A, 'v2');

    const execution = await node.run(1);

    assert.equal(execution.status, 'Succeed', await node.log(execution.id));
    assert.deepEqual(await node.tags(`mirror/${A}`), [one, 'v1']);
    assert.notEqual(one, two);
  });

  it('without a label that its rules want', async () => {
    await using directory = await temporaryDirectory();
    await using there = await startUpstream();
    const rules = {
      source: 'local',
      destinations: [{ endpoint: 'there' }],
      repositories: ['team/app'],
      labels: ['released'],
      prune: { atMost: 1 },
    };
    await using node = await startReplicatingNode(directory.path, 'node', {
      projects: { team: {} },
      endpoints: { there: endpointAt(there.url) },
      policies: { replication: { onward: rules } },
    });
    const digests = [await push(node, 'team/app', 'v1'), await push(node, 'team/app', 'v2')];
    const label = await released(node);
    for (const digest of digests) await label.put(digest);
    await node.run(1);
    assert.deepEqual([there.tagged('team/app', 'v1'), there.tagged('team/app', 'v2')], digests);
    await label.take(digests[1]);

    const execution = await node.run(1);

    assert.equal(execution.status, 'Succeed', await node.log(execution.id));
    assert.equal(there.tagged('team/app', 'v1'), digests[0]);
    assert.equal(there.tagged('team/app', 'v2'), undefined);
  });
});

describe('a mirror at a registry that deletes no tag', () => {
  it('fails in that alone, with the registry’s name', async () => {
    await using world = await openWorld({ endpoint: 'there' });
    const { upstream, node, there } = world;
    for (const tag of ['v1', 'v2']) upstream.addImage(A, tag, [Buffer.from(tag)]);
    upstream.addImage(B, 'v1', [Buffer.from('other')]);
    await node.run(1);
    upstream.remove(A, 'v2');
    const { manifest } = upstream.addImage(A, 'v3', [Buffer.from('v3')]);
    there.uploads.rules = { deletes: false };

    const execution = await node.run(1);

    assert.equal(execution.status, 'Failed');
    assert.equal(execution.failed, 1);
    const said = `UNSUPPORTED: there (${there.host}) does not delete the tag v2 alone`;
    assert.ok((await node.log(execution.id)).includes(said), await node.log(execution.id));
    assert.notEqual(there.tagged(A, 'v2'), undefined);
    assert.equal(there.tagged(A, 'v3'), manifest.digest);
  });
});

describe('deletions that an older version planned', () => {
  it('can be read', () => {
    const place = { from: A, to: `mirror/${A}`, destination: 0, selected: 3 };

    const { gone } = PruneRepository.parse({ ...place, gone: ['v2'] });

    assert.deepEqual(gone, [{ tag: 'v2', isMirrored: false }]);
  });
});

/** A label of the node, for artifacts of `team/app`. */
async function released(node: ReplicatingNode) {
  const headers = { 'content-type': 'application/json' };
  const body = JSON.stringify({ name: 'released', scope: 'g' });
  const made = await node.send({ method: 'POST', path: '/api/v2.0/labels', headers, body });
  assert.equal(made.status, 201, made.body.toString());
  const id = Number(String(made.headers.location).split('/').at(-1));
  const artifacts = '/api/v2.0/projects/team/repositories/app/artifacts';
  const send = async (sent: Parameters<ReplicatingNode['send']>[0]): Promise<void> => {
    const { status, body: why } = await node.send({ headers, ...sent });
    assert.equal(status, 200, why.toString());
  };
  return {
    put: (digest: string) =>
      send({
        method: 'POST',
        path: `${artifacts}/${digest}/labels`,
        body: JSON.stringify({ id }),
      }),
    take: (digest: string | undefined) =>
      send({ method: 'DELETE', path: `${artifacts}/${digest}/labels/${id}` }),
  };
}

interface World extends AsyncDisposable {
  readonly upstream: Upstream;
  readonly there: Upstream;
  readonly node: ReplicatingNode;
}

/** The source lost `v2` and `v3` of one repository, and says nothing of another one, for which deletions wait. */
async function startWaiting({ upstream, node }: World) {
  for (const tag of ['v1', 'v2', 'v3']) upstream.addImage(A, tag, [Buffer.from(tag)]);
  upstream.addImage(B, 'v1', [Buffer.from('other')]);
  const first = await node.run(1);
  assert.equal(first.status, 'Succeed', await node.log(first.id));
  for (const tag of ['v2', 'v3']) upstream.remove(A, tag);
  const held = Promise.withResolvers<void>();
  const rule = upstream.behave({ path: /library\/b\/tags/ }, { hold: held.promise });
  const execution = await node.start(1);
  await node.untilLogged(execution, /1 tags selected/);
  const release = (): void => {
    held.resolve();
    rule[Symbol.dispose]();
  };
  return {
    execution,
    async end() {
      release();
      assert.equal((await node.ended(execution)).status, 'Succeed', await node.log(execution));
    },
    [Symbol.asyncDispose]: async () => release(),
  };
}

async function openWorld(destination: object): Promise<World> {
  await using opened = new AsyncDisposableStack();
  const directory = opened.use(await temporaryDirectory());
  const upstream = opened.use(await startUpstream());
  const there = opened.use(await startUpstream());
  const node = opened.use(
    await startReplicatingNode(directory.path, 'node', {
      projects: { mirror: {} },
      endpoints: { upstream: endpointAt(upstream.url), there: endpointAt(there.url) },
      policies: {
        replication: {
          nightly: {
            source: 'upstream',
            destinations: [destination],
            repositories: [A, B],
            prune: { atMost: 5 },
          },
        },
      },
    }),
  );
  const resources = opened.move();
  return { upstream, there, node, [Symbol.asyncDispose]: () => resources.disposeAsync() };
}
