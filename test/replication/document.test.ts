import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ownDocument } from '../http/api/support/own-document.ts';
import type { Sent } from '../http/support/client.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { until } from '../support/until.ts';
import { startUpstream } from '../support/upstream.ts';
import { endpointAt, type ReplicatingNode, startReplicatingNode } from './support/nodes.ts';
import { push } from './support/push.ts';

const OWN = '/api/portolan/v1';
const RULES = {
  source: 'up',
  destinations: [{ endpoint: 'local', namespace: 'copies' }],
  repositories: ['library/app'],
};
const TAG = '/projects/copies/repositories/app/tags/latest';
const JSON_TYPE = { 'content-type': 'application/json' };

const post = (path: string): Sent => ({ method: 'POST', path });
const sends = (method: 'POST' | 'PUT', path: string, content: unknown): Sent => ({
  method,
  path,
  headers: JSON_TYPE,
  body: JSON.stringify(content),
});

describe('each answer of the node’s own API', () => {
  it('is one that its document declares', async () => {
    await using directory = await temporaryDirectory();
    await using upstream = await startUpstream();
    upstream.addImage('library/app', 'v1', [Buffer.from('layer')]);
    await using node = await startReplicatingNode(directory.path, 'node', {
      projects: { copies: {} },
      endpoints: { up: endpointAt(upstream.url) },
    });
    await push(node, 'copies/app', 'latest', { text: 'first' });
    await push(node, 'copies/app', 'latest', { text: 'second' });
    const document = await ownDocument(node);
    const asked = new Set<string>();

    for (const request of requests()) {
      const sent = { ...request, path: `${OWN}${request.path}` };
      const answer = await node.send(sent);
      document.assertDeclared(sent, answer);
      if (answer.status < 300) asked.add(operationAt(document.operations, sent));
      if (answer.status === 201) await untilIdle(node);
    }

    const all = document.operations.map(({ method, path }) => `${method} ${path}`);
    assert.deepEqual(
      all.filter((each) => !asked.has(each)),
      [],
      'operations that were never answered with a success',
    );
  });
});

/** Each operation once with success, and what is refused. */
function requests(): readonly Sent[] {
  const policies = '/replication/policies';
  const executions = '/replication/executions';
  return [
    { path: '/openapi.json' },
    { path: '/adapters' },
    sends('POST', policies, { name: 'copy', rules: RULES }),
    sends('POST', policies, { name: 'copy', rules: RULES }),
    sends('POST', policies, { name: 'wrong', rules: { ...RULES, source: 1 } }),
    { path: policies },
    { path: `${policies}?sort=-name&q=name=copy` },
    { path: `${policies}?page_size=x` },
    { path: `${policies}/1` },
    { path: `${policies}/99` },
    { path: `${policies}/1/lag` },
    { path: `${policies}/99/lag` },
    sends('PUT', `${policies}/1`, { name: 'copy', rules: { ...RULES, tags: ['v*'] } }),
    post(`${policies}/1/dry-run`),
    { path: `${executions}/1/dry-run` },
    { path: `${executions}/1/dry-run/total` },
    post(`${policies}/1/start`),
    { path: `${policies}/1/lag` },
    { path: executions },
    { path: `${executions}/2` },
    { path: `${executions}/99` },
    { path: `${executions}/2/tasks?q=state=succeeded` },
    { path: `${executions}/2/dry-run` },
    { path: `${executions}/2/events` },
    { path: `${executions}/99/events` },
    { path: `${executions}/1/tasks/1/log` },
    { path: `${executions}/2/tasks/99/log` },
    post(`${executions}/2/retry`),
    post(`${executions}/2/stop`),
    ...['pause', 'resume'].flatMap((verb) => [
      post(`/replication/${verb}`),
      post(`${policies}/1/${verb}`),
      post(`/replication/endpoints/up/${verb}`),
      post(`/replication/endpoints/nowhere/${verb}`),
    ]),
    { path: `${TAG}/history` },
    sends('POST', `${TAG}/rollback`, {}),
    sends('POST', `${TAG}/rollback`, { to: 'x' }),
    { method: 'DELETE', path: `${policies}/1` },
    { method: 'DELETE', path: `${policies}/1` },
    { path: executions, as: 'nobody:wrong-password' },
  ];
}

type Operations = Awaited<ReturnType<typeof ownDocument>>['operations'];

function operationAt(operations: Operations, { method = 'GET', path }: Sent): string {
  const [bare = ''] = path.split('?');
  const found = operations.find((each) => each.method === method && each.pattern.test(bare));
  return `${found?.method} ${found?.path}`;
}

async function untilIdle(node: ReplicatingNode): Promise<void> {
  await until(async () => {
    const path = `${OWN}/replication/executions?q=status=running`;
    return (await node.send({ path })).headers['x-total-count'] === '0';
  });
}
