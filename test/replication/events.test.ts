import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { openSqlite } from '../../src/database/sqlite.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { until } from '../support/until.ts';
import { startUpstream } from '../support/upstream.ts';
import { ADMINS, endpointAt, type ReplicatingNode, startReplicatingNode } from './support/nodes.ts';
import { push } from './support/push.ts';

const WITHIN = { withinMs: 20_000 };
const ARRIVALS_ONWARD = {
  source: 'local',
  destinations: [{ endpoint: 'there', namespace: 'kept', flatten: 1 }],
  repositories: ['hub/**'],
  trigger: { event: 'arrival' },
};

describe('a policy that an event triggers', () => {
  it('hands on what is pushed, and nothing that it does not select', async () => {
    await using world = await twoNodes({ tags: ['v*'] });
    const { here, there } = world;

    await push(here, 'team/app', 'edge');
    const digest = await push(here, 'team/app', 'v1');

    await until(async () => (await there.tags('team/app')).length > 0, WITHIN);
    assert.deepEqual(await there.tags('team/app'), ['v1']);
    const copied = await there.send({ path: '/v2/team/app/manifests/v1' });
    assert.equal(digestOf(copied.body), digest);
  });

  it('counts no pull of what it reads', async () => {
    await using world = await twoNodes({});
    const { here, there } = world;
    await push(here, 'team/app', 'v1');
    await until(async () => (await there.tags('team/app')).length > 0, WITHIN);
    const path = '/api/v2.0/projects/team/repositories/app';
    const pulls = async (): Promise<number> =>
      z.object({ pull_count: z.int() }).parse((await here.send({ path })).json()).pull_count;

    // Told in the order in which they came, so that this one is the first.
    await here.send({ path: '/v2/team/app/manifests/v1' });

    await until(async () => (await pulls()) > 0, WITHIN);
    assert.equal(await pulls(), 1);
  });

  it('repeats the deletion of a tag where it is told to', async () => {
    await using world = await twoNodes({ delete: true });
    const { here, there } = world;
    const digest = await push(here, 'team/app', 'v1');
    await push(here, 'team/app', 'v2');
    await until(async () => (await there.tags('team/app')).length === 2, WITHIN);

    await here.send({ method: 'DELETE', path: '/v2/team/app/manifests/v1' });

    await until(async () => (await there.tags('team/app')).length === 1, WITHIN);
    assert.deepEqual(await there.tags('team/app'), ['v2']);
    const path = `/v2/team/app/manifests/${digest}`;
    assert.equal((await there.send({ path })).status, 200, 'the tag alone');
  });

  it('repeats the deletion of a repository tag by tag', async () => {
    await using world = await twoNodes({ delete: true });
    const { here, there } = world;
    for (const tag of ['v1', 'v2']) await push(here, 'team/app', tag);
    await push(here, 'team/other', 'v1');
    const copied = async () => (await there.tags('team/app')).length;
    const others = async () => (await there.tags('team/other')).length;
    await until(async () => (await copied()) === 2 && (await others()) === 1, WITHIN);

    const path = '/api/v2.0/projects/team/repositories/app';
    assert.equal((await here.send({ method: 'DELETE', path })).status, 200);

    await until(async () => (await copied()) === 0, WITHIN);
    assert.deepEqual(await there.tags('team/other'), ['v1']);
  });

  it('needs no more at the other node than a robot that may push to the project', async () => {
    await using directory = await temporaryDirectory();
    await using there = await startReplicatingNode(directory.path, 'there', {
      projects: { team: {} },
    });
    const access = ['push', 'pull'].map((action) => ({ resource: 'repository', action }));
    const permissions = [{ kind: 'project', namespace: 'team', access }];
    const made = await there.send({
      method: 'POST',
      path: '/api/v2.0/robots',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'mirror', level: 'project', duration: -1, permissions }),
    });
    assert.equal(made.status, 201, made.body.toString());
    const robot = z.object({ name: z.string(), secret: z.string() }).parse(made.json());
    const credential = { username: robot.name, password: robot.secret };
    await using here = await startReplicatingNode(directory.path, 'here', {
      ...onward(there, {}),
      endpoints: { there: endpointAt(there.url, { credential }) },
    });

    await push(here, 'team/app', 'v1');

    await until(async () => (await there.tags('team/app')).length > 0, WITHIN);
  });

  it('shows that a destination has no name for what was pushed, and copies it to the others', async () => {
    const unnamed = { endpoint: 'there', namespace: 'team', flatten: 2 };
    await using world = await twoNodes({ destinations: [{ endpoint: 'there' }, unnamed] });
    const { here, there } = world;

    await push(here, 'team/app', 'v1');

    await until(async () => (await there.tags('team/app')).length > 0, WITHIN);
    const failed = async () => {
      const path = '/api/portolan/v1/replication/executions?q=status%3Dfailed';
      const { body } = await here.send({ path });
      return JSON.parse(body.toString())[0]?.id;
    };
    await until(async () => (await failed()) !== undefined, WITHIN);
    const { body } = await here.send({
      path: `/api/portolan/v1/replication/executions/${await failed()}/tasks?q=state%3Dfailed`,
    });
    assert.match(JSON.parse(body.toString())[0].reason, /team\/app has 1 components/);
  });

  it('sends a signature after what it signs', async () => {
    await using world = await twoNodes({});
    const { here, there } = world;
    const subject = await push(here, 'team/app', 'v1');
    await until(async () => (await there.tags('team/app')).length > 0, WITHIN);

    await push(here, 'team/app', undefined, { subject });

    const path = `/v2/team/app/referrers/${subject}`;
    const referrers = async (): Promise<string> => (await there.send({ path })).body.toString();
    await until(async () => (await referrers()).includes('vnd.example.signature'), WITHIN);
  });

  it('does nothing about what was there before it', async () => {
    await using directory = await temporaryDirectory();
    await using there = await startReplicatingNode(directory.path, 'there', {
      projects: { team: {} },
    });
    {
      await using before = await startReplicatingNode(directory.path, 'here', {
        projects: { team: {} },
      });
      await push(before, 'team/app', 'old');
    }
    await using here = await startReplicatingNode(directory.path, 'here', onward(there, {}));

    await push(here, 'team/app', 'new');

    await until(async () => (await there.tags('team/app')).length > 0, WITHIN);
    assert.deepEqual(await there.tags('team/app'), ['new']);
  });

  it('brings on what was pulled through', async () => {
    await using directory = await temporaryDirectory();
    await using upstream = await startUpstream();
    upstream.addImage('library/app', 'v1', [Buffer.from('layer')]);
    await using there = await startReplicatingNode(directory.path, 'there', {
      projects: { kept: {} },
    });
    await using here = await startReplicatingNode(directory.path, 'here', {
      projects: {
        hub: { public: true, proxy: { endpoints: ['up'], upstreamHost: 'hub.example' } },
      },
      endpoints: { up: endpointAt(upstream.url), there: endpointAt(there.url, ADMINS) },
      policies: {
        replication: {
          onward: ARRIVALS_ONWARD,
        },
      },
    });

    await pullWhole(here, 'hub/library/app', 'v1');

    await until(async () => (await there.tags('kept/library/app')).length > 0, WITHIN);
  });

  it('brings on all that it selects, where what was pulled through was forgotten before it was read', async () => {
    await using directory = await temporaryDirectory();
    await using upstream = await startUpstream();
    upstream.addImage('library/app', 'v1', [Buffer.from('layer')]);
    await using there = await startReplicatingNode(directory.path, 'there', {
      projects: { kept: {} },
    });
    const cached = {
      projects: {
        hub: { public: true, proxy: { endpoints: ['up'], upstreamHost: 'hub.example' } },
      },
      endpoints: { up: endpointAt(upstream.url), there: endpointAt(there.url, ADMINS) },
    };
    {
      await using before = await startReplicatingNode(directory.path, 'here', cached);
      await pullWhole(before, 'hub/library/app', 'v1');
      await before.idle();
    }
    await forgetArrivals(join(directory.path, 'here'));

    await using _ = await startReplicatingNode(directory.path, 'here', {
      ...cached,
      policies: { replication: { onward: ARRIVALS_ONWARD } },
    });

    await until(async () => (await there.tags('kept/library/app')).length > 0, WITHIN);
  });
});

/** As if those that the node has not seen yet had been kept for too long. */
async function forgetArrivals(folder: string): Promise<void> {
  await using database = await openSqlite({ file: join(folder, 'portolan.db') });
  await database.write(async (transaction) => {
    await transaction
      .updateTable('feed_cursors')
      .set({ seq: 0 })
      .where('consumer', '=', 'replication of arrivals')
      .execute();
    await transaction
      .updateTable('arrivals')
      .set((row) => ({ id: row('id', '+', 100) }))
      .execute();
  });
}

async function twoNodes(rules: Readonly<Record<string, unknown>>) {
  await using opened = new AsyncDisposableStack();
  const directory = opened.use(await temporaryDirectory());
  const team = { projects: { team: {} } };
  const there = opened.use(await startReplicatingNode(directory.path, 'there', team));
  const here = opened.use(await startReplicatingNode(directory.path, 'here', onward(there, rules)));
  const resources = opened.move();
  return { here, there, [Symbol.asyncDispose]: () => resources.disposeAsync() };
}

function onward(there: ReplicatingNode, rules: Readonly<Record<string, unknown>>) {
  return {
    projects: { team: {} },
    endpoints: { there: endpointAt(there.url, ADMINS) },
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
  };
}

async function pullWhole(node: ReplicatingNode, repository: string, tag: string): Promise<void> {
  const manifest = await node.send({ path: `/v2/${repository}/manifests/${tag}` });
  const blobs = manifest.body.toString().match(/sha256:[0-9a-f]{64}/g) ?? [];
  for (const digest of blobs) {
    assert.equal((await node.send({ path: `/v2/${repository}/blobs/${digest}` })).status, 200);
  }
}
