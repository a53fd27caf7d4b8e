import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LIMITS } from '../../src/jobs/limits.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { until } from '../support/until.ts';
import { startUpstream, type Upstream } from '../support/upstream.ts';
import { endpointAt, startReplicatingNode } from './support/nodes.ts';

const EXECUTIONS = '/api/portolan/v1/replication/executions';
const { perHost } = LIMITS;
/** Repositories of a policy: more than one registry is asked about at once. */
const EACH = 2 * perHost;
const ASKED = /^\/v2\/(usual|urgent)\/app-(\d+)\/tags\/list/;

describe('two policies that wait for one registry', () => {
  it('have all that the one of higher priority wants before what else the other wants', async () => {
    await using directory = await temporaryDirectory();
    await using upstream = await startUpstream();
    await using node = await startReplicatingNode(directory.path, 'node', {
      projects: { copies: {} },
      endpoints: { upstream: endpointAt(upstream.url) },
      policies: {
        replication: {
          usual: looking(upstream, 'usual', 0),
          urgent: looking(upstream, 'urgent', 1),
        },
      },
    });
    const [first, others] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    upstream.behave({ path: ASKED }, { hold: others.promise });
    upstream.behave({ path: /^\/v2\/usual\/app-0\// }, { hold: first.promise });
    const total = async (path: string): Promise<number> =>
      Number((await node.send({ path: `${EXECUTIONS}/${path}` })).headers['x-total-count']);
    const usual = await node.start(1);
    await until(async () => (await total(`${usual}/tasks?q=state=running`)) === perHost);
    const urgent = await node.start(2);
    // The place that this leaves is for finding out what the urgent one wants.
    first.resolve();
    await until(async () => (await total(`${urgent}/tasks`)) === 1 + EACH);
    others.resolve();

    const ended = [await node.ended(usual), await node.ended(urgent)];

    assert.deepEqual(
      ended.map(({ status }) => status),
      ['Succeed', 'Succeed'],
    );
    const asked = upstream.seen({ path: ASKED }).map(({ path }) => ASKED.exec(path)?.[1]);
    const before = asked.slice(0, asked.lastIndexOf('urgent'));
    const count = before.filter((policy) => policy === 'usual').length;
    assert.equal(asked.length, 2 * EACH);
    assert.ok(count < 1.5 * perHost, `${count} of the usual one, of which ${perHost} had begun`);
  });
});

/** A policy that looks at many repositories, none of which has a tag for it. */
function looking(upstream: Upstream, name: string, priority: number): object {
  const repositories = Array.from({ length: EACH }, (_, index) => `${name}/app-${index}`);
  for (const repository of repositories) upstream.addImage(repository, 'v1', []);
  const destinations = [{ endpoint: 'local', namespace: 'copies' }];
  return { source: 'upstream', destinations, repositories, tags: ['none-*'], priority };
}
