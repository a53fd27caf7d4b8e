import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ReplicationPolicy } from '../../policies/replication.ts';
import { loopText, loopThrough, type NamedPolicy } from '../../policies/replication-loops.ts';

const NIGHTLY = { trigger: { cron: '0 2 * * *' } };

function named(name: string, text: object): NamedPolicy {
  return { name, policy: ReplicationPolicy.parse({ ...NIGHTLY, ...text }) };
}

const push = named('push', { source: 'local', destinations: [{ endpoint: 'b' }] });
const pull = named('pull', { source: 'b', destinations: [{ endpoint: 'local' }] });

describe('a policy is refused that', () => {
  const rows = [
    {
      name: 'copies onto itself',
      policies: [named('p', { source: 'local', destinations: [{ endpoint: 'local' }] })],
      says: /local\/x.*:x to local\/x/,
    },
    {
      name: 'copies onto itself by hand',
      policies: [
        named('p', { source: 'local', destinations: [{ endpoint: 'local' }], trigger: 'manual' }),
      ],
      says: /local\/x/,
    },
    {
      name: 'selects what it has called so itself',
      policies: [
        named('p', { source: 'local', destinations: [{ endpoint: 'local', namespace: 'mirror' }] }),
      ],
      says: /local\/x(?:\/x)?:x to local\/mirror\/x/,
    },
    {
      name: 'does so at one of its destinations',
      policies: [
        named('p', {
          source: 'local',
          destinations: [{ endpoint: 'b' }, { endpoint: 'local', namespace: 'team/mirror' }],
          repositories: ['team/**'],
        }),
      ],
      says: /local\/team\/x.* to local\/team\/mirror\/team/,
    },
    {
      name: 'goes back the way of another',
      policies: [push, pull],
      says: /local\/x.* to b\/x.* to local\/x/,
    },
    {
      name: 'goes back with longer names',
      policies: [
        push,
        named('pull', {
          source: 'b',
          destinations: [{ endpoint: 'local', namespace: 'n' }],
          override: false,
        }),
      ],
      says: /local\/x(?:\/x)?:x to b\/x(?:\/x)?:x to local\/n\/x/,
    },
    {
      name: 'closes a ring of three',
      policies: [
        push,
        named('on', { source: 'b', destinations: [{ endpoint: 'c' }] }),
        named('back', { source: 'c', destinations: [{ endpoint: 'local' }] }),
      ],
      says: /local\/.* to b\/.* to c\/.* to local/,
    },
    {
      name: 'shares some tags with one that goes back',
      policies: [
        named('push', {
          source: 'local',
          destinations: [{ endpoint: 'b' }],
          tags: ['v*', 'prod-*'],
        }),
        named('pull', {
          source: 'b',
          destinations: [{ endpoint: 'local' }],
          tags: ['prod-*', 'dev-*'],
        }),
      ],
      says: /:prod-x to/,
    },
    {
      name: 'shares versions with one that goes back',
      policies: [
        named('push', {
          source: 'local',
          destinations: [{ endpoint: 'b' }],
          tags: { semver: '>=2.5' },
        }),
        named('pull', {
          source: 'b',
          destinations: [{ endpoint: 'local' }],
          tags: { semver: '>=1' },
        }),
      ],
      says: /:2\.5\.0 to/,
    },
    {
      name: 'selects by regular expression what another has by name',
      policies: [
        named('push', {
          source: 'local',
          destinations: [{ endpoint: 'b' }],
          repositories: ['/team/.+/'],
        }),
        named('pull', {
          source: 'b',
          destinations: [{ endpoint: 'local' }],
          repositories: ['team/*'],
        }),
      ],
      says: /local\/team\/x/,
    },
  ];
  for (const { name, policies, says } of rows) {
    it(name, () => {
      const [candidate, ...others] = policies;
      const loop = candidate === undefined ? undefined : loopThrough(candidate, others);

      assert.match(loop === undefined ? '' : loopText(loop), says);
    });
  }

  it('goes to the same registry by another name', () => {
    const here = named('p', { source: 'local', destinations: [{ endpoint: 'myself' }] });

    assert.equal(loopThrough(here, []), undefined);
    assert.deepEqual(
      loopThrough(here, [], (endpoint) => endpoint.replace('myself', 'local'))?.policies,
      ['p'],
    );
  });
});

describe('a policy is taken that', () => {
  const rows = [
    { name: 'goes one way', policies: [push] },
    {
      name: 'goes another way than others',
      policies: [push, named('pull', { source: 'c', destinations: [{ endpoint: 'local' }] })],
    },
    {
      name: 'goes back with other repositories',
      policies: [
        named('push', {
          source: 'local',
          destinations: [{ endpoint: 'b' }],
          repositories: ['ours/**'],
        }),
        named('pull', {
          source: 'b',
          destinations: [{ endpoint: 'local' }],
          repositories: ['theirs/**'],
        }),
      ],
    },
    {
      name: 'goes back with other tags',
      policies: [
        named('push', { source: 'local', destinations: [{ endpoint: 'b' }], tags: ['dev-*'] }),
        named('pull', { source: 'b', destinations: [{ endpoint: 'local' }], tags: ['prod-*'] }),
      ],
    },
    {
      name: 'does not select what it has called so itself',
      policies: [
        named('p', {
          source: 'local',
          destinations: [{ endpoint: 'local', namespace: 'mirror' }],
          repositories: { exclude: ['mirror/**'] },
        }),
      ],
    },
    {
      name: 'goes back by hand',
      policies: [
        push,
        named('pull', { source: 'b', destinations: [{ endpoint: 'local' }], trigger: 'manual' }),
      ],
    },
    {
      name: 'goes by hand where another goes back',
      policies: [
        named('push', { source: 'local', destinations: [{ endpoint: 'b' }], trigger: 'manual' }),
        pull,
      ],
    },
    {
      name: 'goes back with the same names and overrides nothing',
      policies: [
        push,
        named('pull', { source: 'b', destinations: [{ endpoint: 'local' }], override: false }),
      ],
    },
    {
      name: 'goes back where the other is disabled',
      policies: [
        push,
        named('pull', { source: 'b', destinations: [{ endpoint: 'local' }], enabled: false }),
      ],
    },
    {
      name: 'is beside a loop of others',
      policies: [named('p', { source: 'd', destinations: [{ endpoint: 'e' }] }), push, pull],
    },
    {
      name: 'leads into a loop of others',
      policies: [named('p', { source: 'd', destinations: [{ endpoint: 'local' }] }), push, pull],
    },
    {
      name: 'replaces the one that closed a loop',
      policies: [named('push', { source: 'local', destinations: [{ endpoint: 'c' }] }), push, pull],
    },
  ];
  for (const { name, policies } of rows) {
    it(name, () => {
      const [candidate, ...others] = policies;

      assert.ok(candidate);
      assert.equal(loopThrough(candidate, others), undefined);
    });
  }

  it('is one of many, and says so soon', () => {
    const many = Array.from({ length: 60 }, (_, at) =>
      named(`p${at}`, {
        source: `e${at % 8}`,
        destinations: [{ endpoint: `e${(at + 3) % 8}`, namespace: `n${at}` }],
      }),
    );
    const candidate = named('p', { source: 'e0', destinations: [{ endpoint: 'elsewhere' }] });

    assert.equal(loopThrough(candidate, many), undefined);
    assert.ok(loopThrough(named('q', { source: 'e0', destinations: [{ endpoint: 'e1' }] }), many));
  });
});
