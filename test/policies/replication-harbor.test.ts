import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { ReplicationPolicy } from '../../policies/replication.ts';
import {
  changedByHarbor,
  HarborPolicy,
  type PolicyText,
  shownInHarbor,
} from '../../policies/replication-harbor.ts';

const PULL = { source: 'hub', destination: 'local' };
/** What its portal sends. */
const SENT = {
  name: 'nightly',
  description: '',
  src_registry: { id: 1, name: 'hub', url: 'https://hub.docker.com' },
  dest_registry: { id: 0 },
  dest_namespace: 'team',
  dest_namespace_replace_count: 1,
  trigger: { type: 'scheduled', trigger_settings: { cron: '0 0 2 * * *' } },
  filters: [
    { type: 'name', value: 'library/*' },
    { type: 'tag', value: 'v*', decoration: 'matches' },
    { type: 'resource', value: 'image' },
  ],
  deletion: false,
  override: true,
  enabled: true,
  speed: -1,
  copy_by_chunk: false,
  single_active_replication: true,
};

describe('a policy that Harbor’s clients create', () => {
  it('says the same in our language', () => {
    assert.deepEqual(created(SENT), {
      source: 'hub',
      destinations: [{ endpoint: 'local', namespace: 'team', flatten: 1 }],
      repositories: { include: ['library/*'], exclude: [] },
      tags: { include: ['v*'], exclude: [], prereleases: false },
      artifactTypes: {
        include: [
          'application/vnd.oci.image.config.*',
          'application/vnd.oci.image.index.*',
          'application/vnd.docker.container.image.*',
          'application/vnd.docker.distribution.manifest.list.*',
        ],
        exclude: [],
      },
      overlap: 'skip',
      trigger: { cron: '0 0 2 * * *' },
    });
  });

  it('is shown as it was sent', () => {
    const { filters } = SENT;
    const shown = shownInHarbor(
      ReplicationPolicy.parse(created(SENT)),
      HarborPolicy.parse(SENT).filters ?? [],
    );

    assert.deepEqual(shown, {
      description: '',
      dest_namespace: 'team',
      dest_namespace_replace_count: 1,
      trigger: SENT.trigger,
      filters,
      deletion: false,
      replicate_deletion: false,
      override: true,
      enabled: true,
      speed: 0,
      copy_by_chunk: false,
      single_active_replication: true,
    });
  });

  it('has what Harbor has where nothing is said', () => {
    assert.deepEqual(created({}), {
      source: 'hub',
      destinations: [{ endpoint: 'local', flatten: 'all' }],
      override: false,
      enabled: false,
    });
  });

  const rows = [
    {
      sent: { dest_namespace_replace_count: -1 },
      ours: { destinations: [{ endpoint: 'local', flatten: 'all' }] },
    },
    {
      sent: { dest_namespace_replace_count: null },
      ours: { destinations: [{ endpoint: 'local', flatten: 'all' }] },
    },
    {
      sent: { dest_namespace: 'a/b', dest_namespace_replace_count: 0 },
      ours: { destinations: [{ endpoint: 'local', namespace: 'a/b', flatten: 0 }] },
    },
    { sent: { deletion: true }, ours: { delete: true } },
    { sent: { replicate_deletion: true }, ours: { delete: true } },
    { sent: { deletion: false, replicate_deletion: true }, ours: { delete: undefined } },
    { sent: { speed: 1024 }, ours: { bandwidth: '128KiB/s' } },
    { sent: { speed: 1 }, ours: { bandwidth: '0.125KiB/s' } },
    { sent: { speed: 0 }, ours: { bandwidth: undefined } },
    { sent: { copy_by_chunk: true }, ours: { chunked: true } },
    { sent: { single_active_replication: true }, ours: { overlap: 'skip' } },
    {
      sent: { trigger: { type: 'manual', trigger_settings: { cron: '' } } },
      ours: { trigger: undefined },
    },
    { sent: { trigger: null }, ours: { trigger: undefined } },
    { sent: { filters: null }, ours: { tags: undefined } },
    { sent: { filters: [{ type: 'name', value: '' }] }, ours: { repositories: undefined } },
    {
      sent: { filters: [{ type: 'resource', value: 'artifact' }] },
      ours: { artifactTypes: undefined },
    },
    {
      sent: { filters: [{ type: 'tag', value: '*-rc', decoration: 'excludes' }] },
      ours: { tags: { include: ['*'], exclude: ['*-rc'], prereleases: false } },
    },
    {
      sent: {
        filters: [
          { type: 'tag', value: '*-rc', decoration: 'excludes' },
          { type: 'tag', value: 'v*' },
        ],
      },
      ours: { tags: { include: ['v*'], exclude: ['*-rc'], prereleases: false } },
    },
    {
      sent: {
        filters: [
          { type: 'label', value: ['a', 'b'], decoration: 'matches' },
          { type: 'label', value: ['c', 'd'], decoration: 'excludes' },
        ],
      },
      ours: { labels: { include: ['a', 'b'], exclude: [['c', 'd']] } },
    },
    {
      sent: { filters: [{ type: 'name', value: '/a/' }] },
      ours: { repositories: { include: ['\\/a/'], exclude: [] } },
    },
  ];
  for (const { sent, ours } of rows) {
    it(`has ${JSON.stringify(ours)} by ${JSON.stringify(sent)}`, () => {
      const text = created({ ...sent });

      for (const [key, value] of Object.entries(ours)) assert.deepEqual(text[key], value);
      assert.ok(ReplicationPolicy.safeParse(text).success);
    });
  }

  it('may push what happens here', () => {
    const sent = HarborPolicy.parse({ trigger: { type: 'event_based' } });

    assert.deepEqual(changedByHarbor(sent, { source: 'local', destination: 'b' }), {
      text: {
        source: 'local',
        destinations: [{ endpoint: 'b', flatten: 'all' }],
        override: false,
        enabled: false,
        trigger: { event: 'push' },
      },
    });
  });

  const impossible = [
    { sent: { trigger: { type: 'scheduled' } }, says: /the cron string cannot be empty/ },
    { sent: scheduled('0 2 * * *'), says: /invalid cron string for scheduled trigger: 0 2/ },
    { sent: scheduled('0 * * * * *'), says: /invalid cron string/ },
    { sent: scheduled('0 0 25 * * *'), says: /invalid cron string/ },
    {
      sent: { trigger: { type: 'event_based' }, single_active_replication: true },
      says: /single active/,
    },
  ];
  for (const { sent, says } of impossible) {
    it(`cannot be with ${JSON.stringify(sent)}`, () => {
      const change = changedByHarbor(HarborPolicy.parse(sent), {
        source: 'local',
        destination: 'b',
      });

      assert.match('refused' in change ? change.refused : '', says);
    });
  }

  it('has one remote registry', () => {
    for (const endpoints of [
      { source: 'local', destination: 'local' },
      { source: 'a', destination: 'b' },
    ]) {
      assert.deepEqual(changedByHarbor(HarborPolicy.parse({}), endpoints), {
        refused:
          "either src_registry or dest_registry should be empty and the other one shouldn't be empty",
      });
    }
  });

  const refusals = [
    { sent: { dest_namespace: 'Team' }, says: /invalid destination namespace/ },
    { sent: { trigger: { type: 'weekly' } }, says: /invalid trigger type/ },
    { sent: { filters: [{ type: 'size', value: '1' }] }, says: /invalid filter type/ },
    { sent: { filters: [{ type: 'tag', value: ['a'] }] }, says: /filter value isn't string/ },
    { sent: { filters: [{ type: 'label', value: 'a' }] }, says: /isn't string slice/ },
    { sent: { filters: [{ type: 'resource', value: 'chart' }] }, says: /invalid resource filter/ },
    {
      sent: { filters: [{ type: 'name', value: 'a', decoration: 'excludes' }] },
      says: /only tag and label/,
    },
    {
      sent: { filters: [{ type: 'tag', value: 'a', decoration: 'has' }] },
      says: /invalid filter decoration/,
    },
    {
      sent: {
        filters: [
          { type: 'tag', value: 'a' },
          { type: 'tag', value: 'b' },
        ],
      },
      says: /several filters of one kind/,
    },
  ];
  for (const { sent, says } of refusals) {
    it(`is refused with ${JSON.stringify(sent)}, and says why`, () => {
      const { error } = HarborPolicy.safeParse(sent);

      assert.match(error === undefined ? '' : z.prettifyError(error), says);
    });
  }
});

function created(sent: object): PolicyText {
  const change = changedByHarbor(HarborPolicy.parse(sent), PULL);
  assert.ok('text' in change);
  return change.text;
}

function scheduled(cron: string): object {
  return { trigger: { type: 'scheduled', trigger_settings: { cron } } };
}
