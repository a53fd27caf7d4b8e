import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { ReplicationPolicy } from '../../../policies/replication.ts';
import { createReplicationPolicies } from '../../../src/catalog/replication-policies.ts';
import { type ApiNode, startApiNode } from './support/node.ts';

const POLICIES = '/replication/policies';
const LAB = { name: 'lab', type: 'docker-registry', url: 'http://lab.example' };
const ANN = { name: 'ann', address: '127.0.0.1' };

const Policy = z.looseObject({
  id: z.int(),
  name: z.string(),
  src_registry: z.looseObject({ id: z.int().optional(), name: z.string() }),
  dest_registry: z.looseObject({ id: z.int().optional(), name: z.string() }),
});

/** One that a client sends who wants `library/*` of the registry here. */
const pulling = (registry: number, more: object = {}) => ({
  name: 'nightly',
  description: 'every night',
  src_registry: { id: registry },
  dest_registry: { id: 0 },
  dest_namespace: 'mirror',
  dest_namespace_replace_count: 1,
  filters: [
    { type: 'name', value: 'library/**' },
    { type: 'tag', value: 'v*', decoration: 'matches' },
    { type: 'resource', value: 'image' },
  ],
  trigger: { type: 'scheduled', trigger_settings: { cron: '0 0 2 * * *' } },
  deletion: false,
  override: true,
  enabled: true,
  speed: 512,
  copy_by_chunk: false,
  ...more,
});

async function registryOn(node: ApiNode, more: object = {}): Promise<number> {
  return Number((await node.create('/registries', { ...LAB, ...more })).split('/').at(-1));
}

async function read(node: ApiNode, path: string) {
  return Policy.parse((await node.call(`GET ${path}`)).json());
}

/** As the operator's own language has it, which Harbor's API cannot always say. */
async function written(node: ApiNode, name: string, rules: object): Promise<string> {
  const policies = createReplicationPolicies({ database: node.database, now: Date.now });
  const { id } = await policies.create({ name, written: rules }, ANN);
  return `${POLICIES}/${id}`;
}

describe('a replication policy', () => {
  it('is created, read as it was written, listed and deleted', async () => {
    await using node = await startApiNode();
    const lab = await registryOn(node);

    const path = await node.create(POLICIES, pulling(lab));

    const { id, src_registry: from, dest_registry: to, ...policy } = await read(node, path);
    assert.deepEqual([from.id, from.name, to.id, to.name], [lab, 'lab', 0, 'Local']);
    const { creation_time: _created, update_time: _updated, ...shown } = policy;
    const { src_registry: _from, dest_registry: _to, ...sent } = pulling(lab);
    assert.deepEqual(shown, {
      ...sent,
      replicate_deletion: false,
      single_active_replication: false,
    });
    const listed = await node.call(`GET ${POLICIES}?name=NIGHT&page_size=1`);
    assert.equal(listed.headers['x-total-count'], '1');
    assert.deepEqual(z.array(Policy).parse(listed.json()), [await read(node, path)]);
    assert.deepEqual((await node.call(`GET ${POLICIES}?q=name=other`)).json(), []);
    assert.equal((await node.call(`DELETE ${POLICIES}/${id}`)).status, 200);
    assert.equal((await node.call(`GET ${path}`)).status, 404);
    assert.equal((await node.call(`DELETE ${path}`)).status, 404);
  });

  it('is changed to what is sent, from here to there too', async () => {
    await using node = await startApiNode();
    const lab = await registryOn(node);
    const path = await node.create(POLICIES, pulling(lab));

    const turned = {
      ...pulling(lab, { name: 'onward', enabled: false, filters: [], deletion: true }),
      src_registry: undefined,
      dest_registry: { id: lab },
      trigger: { type: 'event_based' },
    };
    assert.equal((await node.call(`PUT ${path}`, turned)).status, 200);

    const policy = await read(node, path);
    assert.deepEqual([policy.src_registry.id, policy.dest_registry.id], [0, lab]);
    const { name, enabled, filters, deletion, trigger } = policy;
    assert.deepEqual(
      { name, enabled, filters, deletion, trigger },
      {
        name: 'onward',
        enabled: false,
        filters: [],
        deletion: true,
        trigger: { type: 'event_based', trigger_settings: {} },
      },
    );
  });

  const refused: readonly (readonly [title: string, more: object, status: number, RegExp])[] = [
    ['without a name', { name: ' ' }, 400, /name/],
    ['of a registry that there is not', { src_registry: { id: 999 } }, 400, /registry 999/],
    ['of two remote registries', { dest_registry: { id: 1 } }, 400, /should be empty/],
    ['of this node alone', { src_registry: { id: 0 } }, 400, /should be empty/],
    ['of a filter nobody knows', { filters: [{ type: 'size', value: '1' }] }, 400, /filter type/],
    [
      'that would run each second',
      { trigger: { type: 'scheduled', trigger_settings: { cron: '* * * * * *' } } },
      400,
      /cron/,
    ],
    ['of events elsewhere', { trigger: { type: 'event_based' } }, 400, /source must be local/],
    ['into a namespace that is none', { dest_namespace: 'No/Such' }, 400, /namespace/],
    ['of a name that is there', { name: 'taken' }, 409, /taken already exists/],
  ];
  for (const [title, more, status, message] of refused) {
    it(`is refused ${title}`, async () => {
      await using node = await startApiNode();
      const lab = await registryOn(node);
      await node.create(POLICIES, pulling(lab, { name: 'taken' }));
      const there = await node.create(POLICIES, pulling(lab));

      const answer = await node.call(`POST ${POLICIES}`, pulling(lab, { name: 'new', ...more }));
      assert.equal(answer.status, status, answer.body.toString());
      assert.match(answer.body.toString(), message);
      const changed = await node.call(`PUT ${there}`, pulling(lab, more));
      assert.equal(changed.status, status, changed.body.toString());
      assert.equal((await read(node, there)).name, 'nightly');
    });
  }

  it('is refused where it would copy what another one copied', async () => {
    await using node = await startApiNode();
    const lab = await registryOn(node);
    const same = await registryOn(node, { name: 'same-lab' });
    await node.create(POLICIES, pulling(lab, { dest_namespace: '', filters: [] }));

    const back = {
      ...pulling(same, { name: 'back', dest_namespace: '', filters: [] }),
      src_registry: { id: 0 },
      dest_registry: { id: same },
    };
    const answer = await node.call(`POST ${POLICIES}`, back);

    assert.equal(answer.status, 400);
    assert.match(answer.body.toString(), /copy its own copies/);
  });

  it('that would call something as another policy calls something else is refused', async () => {
    await using node = await startApiNode();
    const hub = await registryOn(node, { name: 'hub', url: 'http://hub.example' });
    const filters = [{ type: 'name', value: 'library/app' }];
    await node.create(POLICIES, pulling(await registryOn(node), { filters }));

    const rival = await node.call(`POST ${POLICIES}`, pulling(hub, { name: 'rival', filters }));

    assert.equal(rival.status, 409);
    assert.match(rival.body.toString(), /lab\/library\/app would both be local\/mirror\/app/);
    const off = pulling(hub, { name: 'rival', filters, enabled: false });
    const path = await node.create(POLICIES, off);
    assert.equal((await node.call(`PUT ${path}`, { ...off, enabled: true })).status, 409);
  });

  it('that runs is not deleted', async () => {
    await using node = await startApiNode();
    const path = await node.create(POLICIES, pulling(await registryOn(node)));
    const { id } = await read(node, path);
    assert.equal((await node.call('POST /replication/executions', { policy_id: id })).status, 201);

    const answer = await node.call(`DELETE ${path}`);

    assert.equal(answer.status, 412);
    assert.match(answer.body.toString(), /is not over/);
  });

  it('that Harbor has no words for is shown, and keeps what it says through a change', async () => {
    await using node = await startApiNode();
    const lab = await registryOn(node);
    const hub = await registryOn(node, { name: 'hub', url: 'http://hub.example' });
    const rules = {
      source: 'lab',
      destinations: [{ endpoint: 'hub' }, { endpoint: 'local', namespace: 'mirror' }],
      repositories: ['/^a/'],
      keep: { newest: 3, by: 'semver' },
    };
    const path = await written(node, 'ours', rules);

    const shown = await read(node, path);
    assert.deepEqual([shown.src_registry.id, shown.dest_registry.id], [lab, hub]);
    assert.equal(z.array(Policy).parse((await node.call(`GET ${POLICIES}`)).json()).length, 1);
    const change = { ...shown, description: 'changed' };
    assert.equal((await node.call(`PUT ${path}`, change)).status, 200);

    const policies = createReplicationPolicies({ database: node.database, now: Date.now });
    const { rules: kept } = await policies.get(shown.id);
    assert.deepEqual(kept, ReplicationPolicy.parse({ ...rules, description: 'changed' }));
  });

  it('of the configuration file is shown, and neither changed nor deleted', async () => {
    await using node = await startApiNode();
    const lab = await registryOn(node);
    const policies = createReplicationPolicies({ database: node.database, now: Date.now });
    const rules = { source: 'lab', destinations: [{ endpoint: 'local', namespace: 'mirror' }] };
    await policies.declare([{ name: 'fixed', written: rules }]);
    const [shown] = z.array(Policy).parse((await node.call(`GET ${POLICIES}`)).json());
    assert.equal(shown?.name, 'fixed');
    const path = `${POLICIES}/${shown.id}`;

    assert.equal((await node.call(`PUT ${path}`, pulling(lab))).status, 403);
    assert.equal((await node.call(`DELETE ${path}`)).status, 403);
  });

  it('is nobody else’s to see or to change', async () => {
    await using node = await startApiNode();
    const ask = async (what: string) => (await node.call(what, undefined, 'guest:pw')).status;

    assert.deepEqual(
      [
        await ask(`GET ${POLICIES}`),
        await ask(`GET ${POLICIES}/1`),
        await ask(`DELETE ${POLICIES}/1`),
      ],
      [403, 403, 403],
    );
  });
});

describe('a registry of a replication policy', () => {
  it('is not deleted while the policy is there', async () => {
    await using node = await startApiNode();
    const lab = await registryOn(node);
    const path = await node.create(POLICIES, pulling(lab));

    const answer = await node.call(`DELETE /registries/${lab}`);
    assert.equal(answer.status, 412);
    assert.match(answer.body.toString(), /used by replication policy nightly/);
    await node.call(`DELETE ${path}`);
    assert.equal((await node.call(`DELETE /registries/${lab}`)).status, 200);
  });

  it('may get another name, unless the configuration file has the old one', async () => {
    await using node = await startApiNode();
    const lab = await registryOn(node);
    const path = await node.create(POLICIES, pulling(lab));

    assert.equal((await node.call(`PUT /registries/${lab}`, { name: 'mine' })).status, 200);
    assert.equal((await read(node, path)).src_registry.name, 'mine');

    const policies = createReplicationPolicies({ database: node.database, now: Date.now });
    const rules = { source: 'mine', destinations: [{ endpoint: 'local', namespace: 'x' }] };
    await policies.declare([{ name: 'fixed', written: rules }]);
    const answer = await node.call(`PUT /registries/${lab}`, { name: 'lab' });
    assert.equal(answer.status, 409);
    assert.equal((await read(node, path)).src_registry.name, 'mine');
  });
});
