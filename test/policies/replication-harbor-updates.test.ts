import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { ReplicationPolicy } from '../../policies/replication.ts';
import {
  changedByHarbor,
  HarborPolicy,
  type PolicyText,
  shownInHarbor,
} from '../../policies/replication-harbor.ts';

const PULL = { source: 'hub', destination: 'local' };

/** Of which Harbor has no words for most. */
const OURS: PolicyText = {
  source: 'hub',
  destinations: [
    { endpoint: 'local', template: 'm/{path}' },
    { endpoint: 'eu', namespace: 'x' },
  ],
  repositories: { include: ['library/*', '/team-.*/'], exclude: ['library/secret'] },
  tags: { semver: '>=1', exclude: ['*-debug', '*-rc*'] },
  labels: { exclude: ['old', ['a', 'b']] },
  keep: { newest: 3 },
  platforms: ['linux/amd64'],
  trigger: { cron: '0 2 * * *', timeZone: 'Europe/Berlin' },
  bandwidth: '20MB/s',
  windows: [{ bandwidth: 'none', days: ['mon'] }],
};

describe('a policy of ours', () => {
  it('is shown to Harbor’s clients as far as they have words for it', () => {
    assert.deepEqual(shownInHarbor(ReplicationPolicy.parse(OURS)), {
      description: '',
      dest_namespace: '',
      dest_namespace_replace_count: 0,
      trigger: { type: 'scheduled', trigger_settings: { cron: '0 0 2 * * *' } },
      filters: [
        { type: 'tag', value: '{*-debug,*-rc*}', decoration: 'excludes' },
        { type: 'label', value: ['old'], decoration: 'excludes' },
      ],
      deletion: false,
      replicate_deletion: false,
      override: true,
      enabled: true,
      speed: 156_250,
      copy_by_chunk: false,
      single_active_replication: false,
    });
  });

  it('keeps what an update does not speak of', () => {
    const shown = shownInHarbor(ReplicationPolicy.parse(OURS));
    const update = {
      ...shown,
      description: 'new',
      filters: [...shown.filters, { type: 'name', value: 'a/*' }],
    };

    assert.deepEqual(changed(OURS, update), {
      ...OURS,
      description: 'new',
      repositories: { include: ['a/*'], exclude: ['library/secret'] },
    });
  });

  const rows = [
    {
      update: { trigger: { type: 'scheduled', trigger_settings: { cron: '0 0 3 * * *' } } },
      ours: { trigger: { cron: '0 0 3 * * *', timeZone: 'Europe/Berlin' } },
    },
    { update: { trigger: { type: 'manual' } }, ours: { trigger: 'manual' } },
    { update: { speed: 0 }, ours: { bandwidth: 'unlimited' } },
    {
      update: {
        speed: undefined,
        copy_by_chunk: undefined,
        single_active_replication: undefined,
        dest_namespace_replace_count: undefined,
      },
      ours: {},
    },
    {
      update: { dest_namespace_replace_count: 1 },
      ours: {
        destinations: [
          { endpoint: 'local', template: 'm/{path}', flatten: 1 },
          { endpoint: 'eu', namespace: 'x', flatten: 0 },
        ],
      },
    },
    {
      update: { dest_namespace: 'n' },
      ours: {
        destinations: [
          { endpoint: 'local', namespace: 'n', flatten: 0 },
          { endpoint: 'eu', namespace: 'x', flatten: 0 },
        ],
      },
    },
    {
      update: { filters: [] },
      ours: {
        tags: { semver: ['>=1'], include: ['*'], exclude: [], prereleases: false },
        labels: { include: [], exclude: [] },
      },
    },
    {
      update: { enabled: false, override: false, deletion: true },
      ours: { enabled: false, override: false, delete: true },
    },
  ];
  for (const { update, ours } of rows) {
    it(`changes only ${Object.keys(ours).join(', ') || 'nothing'} by ${JSON.stringify(update)}`, () => {
      const shown = shownInHarbor(ReplicationPolicy.parse(OURS));

      assert.deepEqual(changed(OURS, { ...shown, ...update }), { ...OURS, ...ours });
    });
  }

  it('from one remote registry to another is changed, but moved only to or from here', () => {
    const between = { source: 'a', destinations: [{ endpoint: 'b' }] };
    const sent = HarborPolicy.parse({
      ...shownInHarbor(ReplicationPolicy.parse(between)),
      enabled: false,
    });
    const change = (source: string, destination: string): object =>
      changedByHarbor(sent, { source, destination }, between);

    assert.deepEqual(change('a', 'b'), { text: { ...between, enabled: false } });
    assert.ok('refused' in change('a', 'c'));
    assert.deepEqual(change('a', 'local'), {
      text: { source: 'a', destinations: [{ endpoint: 'local', flatten: 0 }], enabled: false },
    });
  });

  it('keeps what Harbor would refuse, as long as it stays', () => {
    const ours = {
      source: 'local',
      destinations: [{ endpoint: 'b' }],
      trigger: { event: 'arrival' },
      overlap: 'skip',
    };
    const sent = { ...shownInHarbor(ReplicationPolicy.parse(ours)), description: 'new' };

    assert.deepEqual(
      changedByHarbor(HarborPolicy.parse(sent), { source: 'local', destination: 'b' }, ours),
      { text: { ...ours, description: 'new' } },
    );
  });

  const anyFilter = fc.constantFrom<unknown>(
    ['a/*'],
    ['**'],
    ['*'],
    ['a', 'b'],
    ['/a.*/', 'b'],
    ['\\/a/'],
    { include: ['{a,b}/*'], exclude: ['a/c'] },
    { exclude: ['x', '/y/'] },
  );
  const anyPolicy = fc.record(
    {
      source: fc.constant('hub'),
      destinations: fc.constantFrom<unknown>(
        [{ endpoint: 'local' }],
        [{ endpoint: 'local', namespace: 'n', flatten: 'all' }, { endpoint: 'b' }],
        [{ endpoint: 'local', template: 'x/{name}' }],
      ),
      repositories: anyFilter,
      tags: fc.oneof(
        anyFilter,
        fc.constantFrom<unknown>({ semver: '1.x' }, { semver: ['2', '3'], include: ['v*'] }),
      ),
      labels: fc.constantFrom<unknown>(['a'], { exclude: [['a', 'b'], 'c'] }, {}),
      artifactTypes: fc.constantFrom<unknown>(['a/*'], { exclude: ['application/x'] }),
      keep: fc.constant({ newest: 3 }),
      description: fc.constantFrom('', 'words'),
      enabled: fc.boolean(),
      override: fc.boolean(),
      delete: fc.boolean(),
      chunked: fc.boolean(),
      overlap: fc.constantFrom('wait', 'skip'),
      priority: fc.integer({ min: -10, max: 10 }),
      trigger: fc.constantFrom<unknown>(
        'manual',
        { cron: '@daily', timeZone: 'Europe/Berlin' },
        { cron: '* * * * *' },
      ),
      bandwidth: fc.constantFrom('none', 'unlimited', '1B/s', '20MB/s', '999GiB/s'),
    },
    { requiredKeys: ['source', 'destinations'], noNullPrototype: true },
  );

  it('is the same after a client has sent back what it was shown', () => {
    fc.assert(
      fc.property(anyPolicy, (text) => {
        const shown = shownInHarbor(ReplicationPolicy.parse(text));
        assert.deepEqual(changed(text, shown), text);
      }),
    );
  });

  it('is shown as a client has sent it, whatever it was before', () => {
    const anySent = fc.record({
      description: fc.constantFrom('', 'other'),
      dest_namespace: fc.constantFrom('', 'n', 'a/b'),
      dest_namespace_replace_count: fc.integer({ min: -1, max: 4 }),
      trigger: fc.constantFrom<unknown>(
        { type: 'manual', trigger_settings: {} },
        { type: 'scheduled', trigger_settings: { cron: '0 */5 3 * * MON' } },
      ),
      filters: fc.constantFrom<unknown>(
        [],
        [{ type: 'name', value: '/a/' }],
        [
          { type: 'tag', value: 'v*' },
          { type: 'resource', value: 'artifact' },
        ],
        [
          { type: 'resource', value: 'image' },
          { type: 'name', value: '{a,b}/**' },
        ],
        [{ type: 'label', value: ['a', 'b'], decoration: 'excludes' }],
      ),
      deletion: fc.boolean(),
      override: fc.boolean(),
      enabled: fc.boolean(),
      speed: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
      copy_by_chunk: fc.boolean(),
      single_active_replication: fc.boolean(),
    });
    fc.assert(
      fc.property(anyPolicy, anySent, (text, sent) => {
        const after = ReplicationPolicy.parse(changed(text, sent));
        const said = HarborPolicy.parse(sent).filters ?? [];
        assert.deepEqual(shownInHarbor(after, said), {
          ...sent,
          replicate_deletion: sent.deletion,
        });
      }),
    );
  });
});

function changed(text: PolicyText, update: object): PolicyText {
  const change = changedByHarbor(HarborPolicy.parse(update), PULL, text);
  assert.ok('text' in change);
  return change.text;
}
