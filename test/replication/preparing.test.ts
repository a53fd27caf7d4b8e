import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { startUpstream } from '../support/upstream.ts';
import { ADMINS, endpointAt, startReplicatingNode } from './support/nodes.ts';
import { push } from './support/push.ts';

describe('a destination whose projects are made by pushes', () => {
  it('has its project before it is asked what it has: another project might answer for it', async () => {
    await using directory = await temporaryDirectory();
    await using hub = await startUpstream();
    // What it has not itself, it looks for at Docker Hub.
    await using other = await startReplicatingNode(directory.path, 'other', {
      endpoints: { hub: endpointAt(hub.url) },
      projects: { 'hub.example': { proxy: { endpoints: ['hub'], default: true } } },
    });
    await using node = await startReplicatingNode(directory.path, 'node', {
      projects: { team: {} },
      endpoints: { other: endpointAt(other.url, { adapter: 'harbor', ...ADMINS }) },
      policies: {
        replication: {
          onward: {
            source: 'local',
            destinations: [{ endpoint: 'other', namespace: 'made' }],
            repositories: ['team/**'],
          },
        },
      },
    });
    await push(node, 'team/app', '1');

    const execution = await node.run(1);

    assert.equal(execution.status, 'Succeed', await node.log(execution.id));
    assert.deepEqual(await other.tags('made/team/app'), ['1']);
    assert.equal(hub.requests.length, 0);
  });
});
