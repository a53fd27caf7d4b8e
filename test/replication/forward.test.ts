import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { digestOf } from '../../src/oci/digest.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { until } from '../support/until.ts';
import { startUpstream } from '../support/upstream.ts';
import { ADMINS, endpointAt, startReplicatingNode } from './support/nodes.ts';
import { push, tryPush } from './support/push.ts';

const WITHIN = { withinMs: 20_000 };
const MEBIBYTE = 1024 * 1024;

describe('a push that waits for a policy', () => {
  it('is acknowledged once the tag is there and here', async () => {
    await using directory = await temporaryDirectory();
    await using there = await startReplicatingNode(directory.path, 'there', {
      projects: { team: {} },
    });
    await using here = await startReplicatingNode(
      directory.path,
      'here',
      forwardingTo(endpointAt(there.url, ADMINS)),
    );

    const digest = await push(here, 'team/app', 'v1');

    for (const node of [here, there]) {
      const { body } = await node.send({ path: '/v2/team/app/manifests/v1' });
      assert.equal(digestOf(body), digest);
    }
  });

  it('fails with the reason where the other refuses it, and leaves the tag as it was', async () => {
    await using directory = await temporaryDirectory();
    await using there = await startReplicatingNode(directory.path, 'there', {
      projects: { team: {} },
    });
    const folder = directory.path;
    const good = forwardingTo(endpointAt(there.url, ADMINS));
    let before: string;
    {
      await using here = await startReplicatingNode(folder, 'here', good);
      before = await push(here, 'team/app', 'v1');
    }
    const credential = { username: 'admin', password: 'not that one' };
    const bad = forwardingTo(endpointAt(there.url, { credential }));
    await using here = await startReplicatingNode(folder, 'here', bad);

    const { answer, digest } = await tryPush(here, 'team/app', 'v1', { text: 'new' });

    assert.equal(answer.status, 502, answer.body.toString());
    assert.match(answer.body.toString(), /the tag is not set: .*refuses us/);
    const tagged = await here.send({ path: '/v2/team/app/manifests/v1' });
    assert.equal(digestOf(tagged.body), before);
    // Kept by its digest: the next push sends nothing but the tag.
    assert.equal((await here.send({ path: `/v2/team/app/manifests/${digest}` })).status, 200);
  });

  it('gives up in time where the other says nothing', async () => {
    await using directory = await temporaryDirectory();
    await using upstream = await startUpstream();
    using _ = upstream.behave({ path: /team/ }, { silent: true });
    await using here = await startReplicatingNode(
      directory.path,
      'here',
      forwardingTo(endpointAt(upstream.url), '500ms'),
    );

    const { answer } = await tryPush(here, 'team/app', 'v1');

    assert.equal(answer.status, 504, answer.body.toString());
    assert.deepEqual(await here.tags('team/app'), []);
  });

  it('is copied anew where the other lost what it had acknowledged', async () => {
    await using directory = await temporaryDirectory();
    await using upstream = await startUpstream();
    // Once before it was sent, and once afterwards.
    const asked = { method: 'HEAD', path: /blobs\/sha/, times: 2 };
    using _ = upstream.behave(asked, { status: 404 });
    await using here = await startReplicatingNode(
      directory.path,
      'here',
      forwardingTo(endpointAt(upstream.url)),
    );

    const digest = await push(here, 'team/app', 'v1', { text: 'x'.repeat(7 * MEBIBYTE) });

    assert.equal(upstream.tagged('team/app', 'v1'), digest);
    assert.deepEqual(await here.tags('team/app'), ['v1']);
  });

  it('fails where the other loses it again and again, and the tag is not set', async () => {
    await using directory = await temporaryDirectory();
    await using upstream = await startUpstream();
    using _ = upstream.behave({ method: 'HEAD', path: /blobs\/sha/ }, { status: 404 });
    await using here = await startReplicatingNode(
      directory.path,
      'here',
      forwardingTo(endpointAt(upstream.url), '3s'),
    );

    const { answer } = await tryPush(here, 'team/app', 'v1', { text: 'x'.repeat(7 * MEBIBYTE) });

    assert.ok(answer.status >= 500, answer.body.toString());
    assert.deepEqual(await here.tags('team/app'), []);
    assert.equal(upstream.tagged('team/app', 'v1'), undefined);
  });

  it('fails where a destination has no name for the repository, and copies nothing', async () => {
    await using directory = await temporaryDirectory();
    await using there = await startReplicatingNode(directory.path, 'there', {
      projects: { team: {} },
    });
    const unnamed = { endpoint: 'there', namespace: 'team', flatten: 2 };
    const rules = forwardingTo(endpointAt(there.url, ADMINS));
    rules.policies.replication.onward.destinations.push(unnamed);
    await using here = await startReplicatingNode(directory.path, 'here', rules);

    const { answer } = await tryPush(here, 'team/app', 'v1');

    assert.equal(answer.status, 502, answer.body.toString());
    assert.match(answer.body.toString(), /endpoint there: team\/app has 1 components/);
    assert.deepEqual(await here.tags('team/app'), []);
    assert.deepEqual(await there.tags('team/app'), []);
  });

  it('waits for nothing that the policy does not select', async () => {
    await using directory = await temporaryDirectory();
    await using upstream = await startUpstream();
    using _ = upstream.behave({}, { silent: true });
    await using here = await startReplicatingNode(
      directory.path,
      'here',
      forwardingTo(endpointAt(upstream.url)),
    );

    await push(here, 'team/app', 'edge');

    assert.deepEqual(await here.tags('team/app'), ['edge']);
  });

  it('does not wait where it is by digest alone, nor do deletions: they go on afterwards', async () => {
    await using directory = await temporaryDirectory();
    await using upstream = await startUpstream();
    await using here = await startReplicatingNode(
      directory.path,
      'here',
      forwardingTo(endpointAt(upstream.url), '15s', { delete: true }),
    );
    await push(here, 'team/app', 'v1');
    const held = Promise.withResolvers<void>();
    using _ = upstream.behave({}, { hold: held.promise });

    const tag = '/v2/team/app/manifests/v1';
    const { status } = await here.send({ method: 'DELETE', path: tag });
    const digest = await push(here, 'team/app', undefined, { text: 'no tag' });

    assert.equal(status, 202);
    assert.deepEqual(await here.tags('team/app'), []);
    assert.notEqual(upstream.tagged('team/app', 'v1'), undefined);
    const put = { method: 'PUT', path: new RegExp(`/manifests/${digest}`) };
    assert.equal(upstream.count(put), 0);
    held.resolve();
    await until(() => upstream.tagged('team/app', 'v1') === undefined, WITHIN);
    await until(() => upstream.count(put) > 0, WITHIN);
  });
});

function forwardingTo(endpoint: object, wait = '15s', rules: object = { tags: ['v*'] }) {
  return {
    projects: { team: {} },
    endpoints: { there: endpoint },
    policies: {
      replication: {
        onward: {
          source: 'local',
          destinations: [{ endpoint: 'there' }],
          repositories: ['team/**'],
          trigger: { event: 'push', wait },
          ...rules,
        },
      },
    },
  };
}
