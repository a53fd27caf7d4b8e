import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { LOCAL, ReplicationPolicy } from '../../policies/replication.ts';

const SHORTEST = { source: 'hub', destinations: [{ endpoint: LOCAL }] };

describe('a replication policy', () => {
  it('copies everything by hand, as it is called, where nothing more is said', () => {
    assert.deepEqual(ReplicationPolicy.parse(SHORTEST), {
      description: '',
      enabled: true,
      source: 'hub',
      destinations: [{ endpoint: 'local', flatten: 0 }],
      repositories: { include: ['**'], exclude: [] },
      tags: { include: ['*'], exclude: [], prereleases: false },
      labels: { include: [], exclude: [] },
      mediaTypes: { include: ['**'], exclude: [] },
      artifactTypes: { include: ['**'], exclude: [] },
      signedOnly: false,
      referrers: true,
      override: true,
      recheck: false,
      delete: false,
      trigger: 'manual',
      overlap: 'wait',
      bandwidth: Number.POSITIVE_INFINITY,
      windows: [],
      priority: 0,
      chunked: false,
    });
  });

  it('is written as the documentation shows it', () => {
    const policy = ReplicationPolicy.parse({
      source: 'hub',
      destinations: [{ endpoint: 'local', namespace: 'team' }],
      repositories: ['library/*'],
      tags: { semver: '>=1.0' },
      trigger: { cron: '0 2 * * *', timeZone: 'Europe/Berlin' },
    });

    assert.deepEqual(policy.repositories.include, ['library/*']);
    assert.deepEqual(policy.tags.semver, ['>=1.0']);
    assert.deepEqual(policy.trigger, { cron: '0 2 * * *', timeZone: 'Europe/Berlin' });
  });

  it('says everything that it can', () => {
    const text = {
      ...SHORTEST,
      source: LOCAL,
      labels: { include: ['prod'], exclude: ['old', ['a', 'b']] },
      keep: { newest: 5, by: 'semver', maxAge: '90d' },
      platforms: ['linux/amd64', 'linux/arm64/v8', 'linux/*', 'windows(10.0.*)/amd64'],
      maxSize: '20GiB',
      prune: { atMost: 50 },
      bandwidth: '20MB/s',
      windows: [{ days: ['sat'], from: '22:00', to: '06:00', bandwidth: 'none' }],
      trigger: { event: 'arrival' },
    };

    const policy = ReplicationPolicy.parse(text);

    assert.deepEqual(policy.labels.exclude, [['old'], ['a', 'b']]);
    assert.deepEqual(policy.keep, { newest: 5, by: 'semver', maxAge: 90 * 86_400_000 });
    assert.equal(policy.maxSize, 20 * 2 ** 30);
    assert.equal(policy.bandwidth, 20e6);
    assert.deepEqual(policy.windows, [
      { days: ['sat'], from: '22:00', to: '06:00', timeZone: 'UTC', bandwidth: 0 },
    ]);
  });

  const refusals = [
    { with: { destinations: [] }, says: /→ at destinations/ },
    { with: { source: undefined }, says: /→ at source/ },
    { with: { sorce: 'hub' }, says: /Unrecognized key: "sorce"/ },
    { with: { repositories: { include: ['a['] } }, says: /→ at repositories.include\[0\]/ },
    { with: { repositories: { includes: ['a'] } }, says: /"includes"\n {2}→ at repositories/ },
    { with: { tags: { semver: ['x.y'] } }, says: /semantic versions.*\n.*tags.semver\[0\]/ },
    { with: { trigger: { cron: '0 2 * *' } }, says: /a schedule.*\n.*trigger.cron/ },
    { with: { trigger: { cron: '0 2 * * *', timeZone: 'Mars' } }, says: /a time zone/ },
    { with: { trigger: 'weekly' }, says: /"manual", \{ cron/ },
    { with: { platforms: ['amd64'] }, says: /a platform such as/ },
    { with: { bandwidth: '20MB' }, says: /a rate such as/ },
    { with: { bandwidth: '0B/s' }, says: /a rate such as/ },
    { with: { bandwidth: 'fast/s' }, says: /a rate such as/ },
    { with: { prune: { atMost: '200%' } }, says: /percentage/ },
    { with: { windows: [{ from: '25:00', bandwidth: 'none' }] }, says: /a time of day/ },
    { with: { keep: { newest: 0 } }, says: /keep.newest/ },
    { with: { keep: { by: 'semver' } }, says: /at least one of newest and maxAge/ },
    { with: { trigger: { event: 'push' } }, says: /source must be local/ },
    { with: { destinations: [{ endpoint: 'a' }, { endpoint: 'a' }] }, says: /twice/ },
  ];
  for (const { with: changed, says } of refusals) {
    it(`is refused with ${JSON.stringify(changed)}, and says where`, () => {
      const { error } = ReplicationPolicy.safeParse({ ...SHORTEST, ...changed });

      assert.ok(error !== undefined);
      assert.match(z.prettifyError(error), says);
    });
  }

  it('has a JSON schema in which everything is described', () => {
    const { properties = {} } = z.toJSONSchema(ReplicationPolicy, { io: 'input' });

    const silent = Object.entries(properties).filter(
      ([, schema]) => typeof schema !== 'object' || (schema.description ?? '') === '',
    );
    assert.deepEqual(silent, []);
  });
});
