import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { until } from '../support/until.ts';
import { ADMINS, endpointAt, startReplicatingNode } from './support/nodes.ts';
import { push } from './support/push.ts';

const WITHIN = { withinMs: 20_000 };

describe('what one node copies from another', () => {
  it('counts as no pull there, and is in its audit log all the same', async () => {
    await using directory = await temporaryDirectory();
    await using there = await startReplicatingNode(directory.path, 'there', {
      projects: { team: {} },
    });
    const digest = await push(there, 'team/app', 'v1');
    await using here = await startReplicatingNode(directory.path, 'here', {
      projects: { copies: {} },
      endpoints: { there: endpointAt(there.url, ADMINS) },
      policies: {
        replication: {
          nightly: {
            source: 'there',
            destinations: [{ endpoint: 'local', namespace: 'copies' }],
            repositories: ['team/app'],
          },
        },
      },
    });
    const repository = '/api/v2.0/projects/team/repositories/app';
    const pulls = async (): Promise<number> =>
      z.object({ pull_count: z.int() }).parse((await there.send({ path: repository })).json())
        .pull_count;
    const audited = async (): Promise<number> => {
      const logs = await there.send({ path: '/api/v2.0/audit-logs?q=operation=pull' });
      return z.array(z.object({ resource: z.string() })).parse(logs.json()).length;
    };

    const execution = await here.run(1);
    // Told in the order in which they came, so that this one is the last.
    await there.send({ path: '/v2/team/app/manifests/v1' });

    assert.equal(execution.status, 'Succeed', await here.log(execution.id));
    const copied = await here.send({ path: `/v2/copies/team/app/manifests/${digest}` });
    assert.equal(copied.status, 200);
    await until(async () => (await pulls()) > 0, WITHIN);
    assert.equal(await pulls(), 1);
    await until(async () => (await audited()) === 2, WITHIN);
  });
});
