import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { VENDORS } from '../../../adapters/index.ts';
import { startApiNode } from './support/node.ts';

describe('the vendors of registries', () => {
  it('are those that there are, in Harbor’s words', async () => {
    await using node = await startApiNode();

    const types = z.array(z.string()).parse((await node.call('GET /replication/adapters')).json());
    const infos = z
      .record(z.string(), z.looseObject({}))
      .parse((await node.call('GET /replication/adapterinfos')).json());

    assert.equal(types.length, VENDORS.length);
    assert.ok(types.includes('docker-registry') && !types.includes('distribution'));
    assert.deepEqual(Object.keys(infos).toSorted(), types);
    assert.deepEqual(infos['docker-hub']?.['endpoint_pattern'], {
      endpoint_type: 'EndpointPatternTypeFix',
      endpoints: [{ key: 'Docker Hub', value: 'https://registry-1.docker.io/' }],
    });
    assert.deepEqual(infos['docker-registry'], {
      endpoint_pattern: { endpoint_type: 'EndpointPatternTypeStandard', endpoints: [] },
      credential_pattern: {
        access_key_type: 'AccessKeyTypeStandard',
        access_key_data: '',
        access_secret_type: 'AccessSecretTypePass',
        access_secret_data: '',
      },
    });
  });

  it('say of a registry what a policy may ask of it', async () => {
    await using node = await startApiNode();
    const Info = z.object({
      type: z.string(),
      supported_resource_filters: z.array(
        z.object({ type: z.string(), values: z.array(z.string()).optional() }),
      ),
      supported_triggers: z.array(z.string()),
      supported_copy_by_chunk: z.boolean(),
    });
    const info = async (registry: string) =>
      Info.parse((await node.call(`GET ${registry}/info`)).json());
    const filtersOf = ({ supported_resource_filters: filters }: z.infer<typeof Info>) =>
      filters.map(({ type }) => type);
    await node.create('/labels', { name: 'tested', scope: 'g' });
    const registry = { name: 'lab', url: 'http://lab.example' };
    const lab = await node.create('/registries', { ...registry, type: 'docker-registry' });
    const other = await node.create('/registries', { ...registry, name: 'h', type: 'harbor' });

    const plain = await info(lab);
    assert.deepEqual(
      [plain.type, plain.supported_triggers, plain.supported_copy_by_chunk],
      ['docker-registry', ['manual', 'scheduled'], true],
    );
    assert.deepEqual(filtersOf(plain), ['name', 'tag', 'resource']);
    assert.deepEqual(filtersOf(await info(other)), ['name', 'tag', 'label', 'resource']);
    const local = await info('/registries/0');
    assert.deepEqual(local.supported_resource_filters[2], { type: 'label', values: ['tested'] });
    assert.ok(local.supported_triggers.includes('event_based'));
    assert.equal((await node.call('GET /registries/999/info')).status, 404);
    for (const path of ['/registries/0/info', '/replication/adapters']) {
      assert.equal((await node.call(`GET ${path}`, undefined, 'guest:pw')).status, 403);
    }
  });
});
