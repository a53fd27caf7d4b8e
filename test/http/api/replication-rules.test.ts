import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { createReplicationPolicies } from '../../../src/catalog/replication-policies.ts';
import { type ApiNode, startApiNode } from './support/node.ts';

const OWN = '/api/portolan/v1/replication';
const POLICIES = `${OWN}/policies`;

const Policy = z.strictObject({
  id: z.int(),
  name: z.string(),
  declared: z.boolean(),
  rules: z.record(z.string(), z.unknown()),
  createdAt: z.iso.datetime(),
  updatedAt: z.iso.datetime(),
});

/** What Harbor's API has no words for. */
const RULES = {
  source: 'lab',
  destinations: [{ endpoint: 'local', namespace: 'mirror' }],
  repositories: { include: ['library/*'], exclude: ['/.*-old/'] },
  tags: { semver: '>=1' },
  keep: { newest: 3, by: 'semver' },
  platforms: ['linux/amd64'],
  windows: [{ days: ['sat', 'sun'], bandwidth: 'unlimited' }],
};

describe('a policy in the operator’s own language', () => {
  it('is created, read as it was written, listed by its name, changed and deleted', async () => {
    await using node = await nodeWithLab();

    const path = await node.create(POLICIES, { name: 'nightly', rules: RULES });

    const { id, name, declared, rules } = await read(node, path);
    assert.deepEqual([path, name, declared, rules], [`${POLICIES}/${id}`, 'nightly', false, RULES]);
    await node.create(POLICIES, {
      name: 'other',
      rules: { ...RULES, source: 'local', repositories: ['a'] },
    });
    const listed = await node.call(`GET ${POLICIES}?q=name=nightly`);
    assert.deepEqual(z.array(Policy).parse(listed.json()), [await read(node, path)]);
    assert.equal(listed.headers['x-total-count'], '1');
    const changed = { name: 'weekly', rules: { ...RULES, description: 'changed' } };
    assert.equal((await node.call(`PUT ${path}`, changed)).status, 200);
    assert.deepEqual((await read(node, path)).rules, changed.rules);
    assert.equal((await node.call(`DELETE ${path}`)).status, 200);
    assert.equal((await node.call(`GET ${path}`)).status, 404);
  });

  it('is refused with what is wrong and where, and nothing changes', async () => {
    await using node = await nodeWithLab();
    const path = await node.create(POLICIES, { name: 'nightly', rules: RULES });
    const wrong = [
      [{ name: 'x', rules: { ...RULES, tags: { semver: 'abc' } } }, 400, /tags\.semver/],
      [{ name: 'x', rules: { ...RULES, sauce: 'lab' } }, 400, /sauce/],
      [{ name: 'x', rules: { ...RULES, source: 'nowhere' } }, 400, /registry nowhere not found/],
      [{ name: 'x', rules: RULES, enabled: true }, 400, /enabled/],
      [{ name: 'nightly', rules: RULES }, 409, /already exists/],
    ] as const;
    for (const [body, status, why] of wrong) {
      const answer = await node.call(`POST ${POLICIES}`, body);
      assert.equal(answer.status, status, answer.body.toString());
      assert.match(answer.body.toString(), why);
    }
    const broken = { name: 'nightly', rules: { ...RULES, platforms: [] } };
    assert.equal((await node.call(`PUT ${path}`, broken)).status, 400);
    assert.deepEqual((await read(node, path)).rules, RULES);
  });

  it('of the configuration file is marked, and read-only', async () => {
    await using node = await nodeWithLab();
    const policies = createReplicationPolicies({ database: node.database, now: Date.now });
    await policies.declare([{ name: 'fixed', written: RULES }]);
    const path = `${POLICIES}/1`;

    assert.equal((await read(node, path)).declared, true);
    assert.equal((await node.call(`PUT ${path}`, { name: 'fixed', rules: RULES })).status, 403);
    assert.equal((await node.call(`DELETE ${path}`)).status, 403);
  });

  it('is started and its execution stopped, unless it is switched off', async () => {
    await using node = await nodeWithLab();
    const path = await node.create(POLICIES, { name: 'nightly', rules: RULES });

    const execution = await node.create(`${path}/start`, {});

    const Execution = z.object({
      status: z.string(),
      policyName: z.string(),
      isDryRun: z.boolean(),
    });
    const told = async () => Execution.parse((await node.call(`GET ${execution}`)).json());
    assert.deepEqual(await told(), { status: 'running', policyName: 'nightly', isDryRun: false });
    assert.equal((await node.call(`POST ${execution}/stop`)).status, 200);
    assert.equal((await told()).status, 'stopped');
    assert.equal((await node.call(`POST ${OWN}/executions/99/stop`)).status, 404);
    await node.call(`PUT ${path}`, { name: 'nightly', rules: { ...RULES, enabled: false } });
    const off = await node.call(`POST ${path}/start`);
    assert.equal(off.status, 412);
    assert.match(off.body.toString(), /switched off/);
  });
});

async function nodeWithLab(): Promise<ApiNode> {
  const node = await startApiNode();
  await node.create('/registries', {
    name: 'lab',
    type: 'docker-registry',
    url: 'http://lab.example',
  });
  return node;
}

async function read(node: ApiNode, path: string): Promise<z.infer<typeof Policy>> {
  return Policy.parse((await node.call(`GET ${path}`)).json());
}
