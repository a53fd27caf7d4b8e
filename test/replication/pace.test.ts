import assert from 'node:assert/strict';
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { describe, it } from 'node:test';
import { ReplicationPolicy } from '../../policies/replication.ts';
import { Pace } from '../../src/replication/pace.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { until } from '../support/until.ts';
import { startUpstream } from '../support/upstream.ts';
import { endpointAt, startReplicatingNode } from './support/nodes.ts';

const MIB = 1 << 20;
const APP = 'library/app';

describe('the pace of a policy', () => {
  it('is kept by all its transfers together', async () => {
    const pace = new Pace(rulesOf({ bandwidth: '20MB/s' }), Date.now);
    const signal = AbortSignal.timeout(30_000);
    const startedAt = performance.now();
    let bytes = 0;
    const transfer = async (): Promise<void> => {
      while (performance.now() - startedAt < 3_000) {
        await pace.take(64 * 1024, signal);
        bytes += 64 * 1024;
      }
    };

    await Promise.all(Array.from({ length: 8 }, transfer));

    const rate = bytes / ((performance.now() - startedAt) / 1000);
    // What a busy machine loses is not made up for; what is too much is the pace's fault.
    assert.ok(rate < 1.05 * 20e6 && rate > 0.5 * 20e6, `${Math.round(rate)} bytes a second`);
  });

  it('stops within a chunk when its transfer is stopped', async () => {
    const pace = new Pace(rulesOf({ bandwidth: '1KB/s' }), Date.now);
    const stop = new AbortController();
    const taken = pace.take(10 * MIB, stop.signal);

    stop.abort();

    await assert.rejects(taken, { name: 'AbortError' });
  });

  it('holds a copy back', async () => {
    await using directory = await temporaryDirectory();
    await using upstream = await startUpstream();
    upstream.addImage(APP, 'v1', [Buffer.alloc(2 * MIB, 1)]);
    await using node = await startReplicatingNode(
      directory.path,
      'node',
      fromUpstream(upstream.url, { bandwidth: '2MB/s' }),
    );
    const startedAt = performance.now();

    const execution = await node.run(1);

    assert.equal(execution.status, 'Succeed', await node.log(execution.id));
    assert.ok(performance.now() - startedAt > 700);
  });

  it('is no more than that of either endpoint, or of all policies together', async () => {
    await using directory = await temporaryDirectory();
    await using upstream = await startUpstream();
    upstream.addImage(APP, 'v1', [Buffer.alloc(2 * MIB, 1)]);
    const slow = { bandwidth: '2MB/s' };
    for (const whose of ['upstream', 'other', 'all']) {
      await using other = await startUpstream();
      const copying = fromUpstream(upstream.url, { destinations: [{ endpoint: 'other' }] });
      await using node = await startReplicatingNode(directory.path, whose, {
        ...copying,
        endpoints: {
          upstream: endpointAt(upstream.url, whose === 'upstream' ? slow : {}),
          other: endpointAt(other.url, whose === 'other' ? slow : {}),
        },
        replication: whose === 'all' ? slow : {},
      });
      const startedAt = performance.now();

      const execution = await node.run(1);

      assert.equal(execution.status, 'Succeed', await node.log(execution.id));
      assert.ok(performance.now() - startedAt > 700, whose);
      assert.ok(other.tagged(APP, 'v1'), whose);
    }
  });

  it('is nothing to another that copies the same to the same place', async () => {
    await using directory = await temporaryDirectory();
    await using upstream = await startUpstream();
    await using other = await startUpstream();
    const { layers } = upstream.addImage(APP, 'v1', [Buffer.alloc(2 * MIB, 1)]);
    const rules = {
      source: 'upstream',
      destinations: [{ endpoint: 'other' }],
      repositories: [APP],
    };
    await using node = await startReplicatingNode(directory.path, 'node', {
      endpoints: { upstream: endpointAt(upstream.url), other: endpointAt(other.url) },
      policies: { replication: { slow: { ...rules, bandwidth: '20KB/s' }, swift: rules } },
    });
    const slow = await node.start(1);
    const path = new RegExp(`/blobs/${layers[0]?.digest}`);
    await until(() => upstream.count({ path }) > 0, { withinMs: 20_000 });

    const swift = await node.run(2);

    assert.equal(swift.status, 'Succeed', await node.log(swift.id));
    assert.ok(other.tagged(APP, 'v1'));
    const slowOne = await node.send({ path: `/api/v2.0/replication/executions/${slow}` });
    assert.partialDeepStrictEqual(slowOne.json(), { status: 'InProgress' });
  });

  it('that an endpoint has holds for what clients pull from there, too', async () => {
    await using directory = await temporaryDirectory();
    await using upstream = await startUpstream();
    const { layers } = upstream.addImage(APP, 'v1', [Buffer.alloc(2 * MIB, 1)]);
    await using node = await startReplicatingNode(directory.path, 'node', {
      endpoints: { upstream: endpointAt(upstream.url, { bandwidth: '2MB/s' }) },
      projects: {
        cache: { public: true, proxy: { endpoints: ['upstream'], upstreamHost: 'hub.example' } },
      },
    });
    const startedAt = performance.now();

    const answer = await node.send({ path: `/v2/cache/${APP}/blobs/${layers[0]?.digest}` });

    assert.equal(answer.body.length, 2 * MIB);
    assert.ok(performance.now() - startedAt > 700);
  });

  it('that an endpoint has leaves a quarter to who pulls from there, however much is copied at once', async () => {
    await using directory = await temporaryDirectory();
    await using upstream = await startUpstream();
    await using other = await startUpstream();
    const many = Array.from({ length: 8 }, (_, n) => Buffer.alloc(4 * MIB, n));
    upstream.addImage(APP, 'v1', many);
    const wanted = upstream.addImage('library/wanted', 'v1', [Buffer.alloc(2 * MIB, 100)]);
    await using node = await startReplicatingNode(directory.path, 'node', {
      ...fromUpstream(upstream.url, { destinations: [{ endpoint: 'other' }] }),
      endpoints: {
        upstream: endpointAt(upstream.url, { bandwidth: '4MB/s' }),
        other: endpointAt(other.url),
      },
      projects: {
        cache: { public: true, proxy: { endpoints: ['upstream'], upstreamHost: 'hub.example' } },
      },
    });
    const copied = (): number =>
      other.requests.reduce((sum, { receivedBytes }) => sum + receivedBytes, 0);
    const id = await node.start(1);
    await until(() => copied() > MIB, { withinMs: 20_000 });

    const asked = get(`${node.url}/v2/cache/library/wanted/blobs/${wanted.layers[0]?.digest}`);
    const [answer]: IncomingMessage[] = await once(asked, 'response');
    assert.ok(answer);
    let before: number | undefined;
    let pulled = 0;
    for await (const chunk of answer) {
      // Until something comes, nobody is known to wait.
      if (before === undefined) before = copied();
      else pulled += chunk.length;
    }

    const meanwhile = copied() - (before ?? 0);
    const share = pulled / (pulled + meanwhile);
    // One of nine that come in turn would have a ninth.
    assert.ok(share > 0.2, `${share} of what went: ${pulled} bytes, and ${meanwhile} copied`);
    assert.ok(pulled > MIB && meanwhile > MIB, `${pulled} bytes, and ${meanwhile} copied`);
    await node.send({ method: 'PUT', path: `/api/v2.0/replication/executions/${id}` });
    assert.equal((await node.ended(id)).status, 'Stopped');
  });

  it('copies in the hours of a window, and elsewhere says until when it waits', async () => {
    await using directory = await temporaryDirectory();
    await using upstream = await startUpstream();
    upstream.addImage(APP, 'v1', [Buffer.from('layer')]);
    const HOUR_MS = 60 * 60_000;
    const end = new Date(Math.ceil(Date.now() / HOUR_MS) * HOUR_MS + HOUR_MS).toISOString();
    const begin = new Date(Date.now() - HOUR_MS).toISOString();
    const hours = { from: begin.slice(11, 16), to: end.slice(11, 16) };
    const { policies, ...rest } = fromUpstream(upstream.url, {});
    const { nightly } = policies.replication;
    const open = { bandwidth: 'none', windows: [{ ...hours, bandwidth: 'unlimited' }] };
    const closed = { windows: [{ ...hours, bandwidth: 'none' }] };
    await using node = await startReplicatingNode(directory.path, 'node', {
      ...rest,
      projects: { mirror: {}, held: {} },
      policies: {
        replication: {
          closed: {
            ...nightly,
            destinations: [{ endpoint: 'local', namespace: 'held' }],
            ...closed,
          },
          open: { ...nightly, ...open },
        },
      },
    });

    const held = await node.start(1);
    await node.untilLogged(held, new RegExp(`nothing is copied until ${end}`));
    const execution = await node.run(2);

    assert.equal(execution.status, 'Succeed', await node.log(execution.id));
    assert.deepEqual(await node.tags(`mirror/${APP}`), ['v1']);
    assert.deepEqual(await node.tags(`held/${APP}`), []);
  });

  it('copies nothing while it is none', async () => {
    await using directory = await temporaryDirectory();
    await using upstream = await startUpstream();
    upstream.addImage(APP, 'v1', [Buffer.from('layer')]);
    await using node = await startReplicatingNode(
      directory.path,
      'node',
      fromUpstream(upstream.url, { bandwidth: 'none' }),
    );

    const id = await node.start(1);

    await node.untilLogged(id, /nothing is copied until/);
    assert.deepEqual(await node.tags(`mirror/${APP}`), []);
    assert.equal(upstream.count({ method: 'GET', path: /\/blobs\// }), 0);
  });
});

function rulesOf(rules: object): ReplicationPolicy {
  return ReplicationPolicy.parse({
    source: 'upstream',
    destinations: [{ endpoint: 'local' }],
    ...rules,
  });
}

function fromUpstream(url: URL, rules: object) {
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
