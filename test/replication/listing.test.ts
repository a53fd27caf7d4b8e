import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { startHubApi } from '../adapters/apis/hub-api.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { startUpstream } from '../support/upstream.ts';
import { endpointAt, startReplicatingNode } from './support/nodes.ts';

describe('a policy that does not name its repositories', () => {
  it('asks a registry that lists by namespace for the one that it is about', async () => {
    for (const pattern of ['library/*', 'library/**']) {
      await using directory = await temporaryDirectory();
      await using registry = await startUpstream();
      await using api = await startHubApi(registry);
      registry.addImage('library/alpine', '3.20', [Buffer.from('alpine')]);
      registry.addImage('library-of-others/app', '1', [Buffer.from('app')]);
      const options = { apiUrl: api.url.href };
      await using node = await startReplicatingNode(directory.path, 'node', {
        projects: { mirror: {} },
        endpoints: { hub: endpointAt(registry.url, { adapter: 'docker-hub', options }) },
        policies: {
          replication: {
            all: {
              source: 'hub',
              destinations: [{ endpoint: 'local', namespace: 'mirror' }],
              repositories: [pattern],
            },
          },
        },
      });

      const execution = await node.run(1);

      assert.equal(execution.status, 'Succeed', await node.log(execution.id));
      assert.deepEqual(await node.tags('mirror/library/alpine'), ['3.20']);
      // Which nobody may ask who is nobody, and which would not name what belongs to others.
      assert.equal(api.server.count({ path: /namespaces$/ }), 0);
    }
  });
});
