import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import {
  type Claim,
  Destination,
  destinationOf,
  mayCallAlike,
  namingConflicts,
} from '../../policies/replication-naming.ts';

describe('a destination with a namespace', () => {
  // Harbor, src/controller/replication/flow/stage.go, the comment above `replaceNamespace`; `all` is its -1.
  const rows = [
    { flatten: 'all', called: 'n/image' },
    { flatten: 0, called: 'n/a/b/c/image' },
    { flatten: 1, called: 'n/b/c/image' },
    { flatten: 2, called: 'n/c/image' },
    { flatten: 3, called: 'n/image' },
  ];
  for (const { flatten, called } of rows) {
    it(`calls a/b/c/image ${called} where it flattens ${flatten}`, () => {
      assert.deepEqual(named('a/b/c/image', { namespace: 'n', flatten }), { repository: called });
    });
  }

  it('refuses names with fewer components than it replaces', () => {
    const refusal = /image has 3 components before its last, of which 4 cannot be replaced/;

    assert.match(refused('a/b/c/image', { namespace: 'n', flatten: 4 }), refusal);
    assert.match(refused('image', { namespace: 'n', flatten: 1 }), /cannot be replaced/);
  });

  it('puts a name of one component behind it', () => {
    for (const flatten of ['all', 0]) {
      assert.deepEqual(named('image', { namespace: 'n/m', flatten }), { repository: 'n/m/image' });
    }
  });

  it('flattens nothing by itself', () => {
    assert.deepEqual(named('a/image', { namespace: 'n' }), { repository: 'n/a/image' });
  });

  it('refuses names that become too long', () => {
    assert.match(refused(`${'a'.repeat(250)}/b`, { namespace: 'mirror' }), /no name/);
  });

  it('never calls two repositories alike that share their last components, unless it flattens', () => {
    const names = fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(names, names, (one, other) => {
        const [first, second] = [one, other].map((parts) =>
          named(parts.join('/'), { namespace: 'n' }),
        );
        assert.equal(
          JSON.stringify(first) === JSON.stringify(second),
          one.join('/') === other.join('/'),
        );
      }),
    );
  });
});

describe('a destination without a namespace', () => {
  it('keeps the name, whatever it flattens', () => {
    for (const flatten of [0, 3, 'all']) {
      assert.deepEqual(named('a/b', { flatten }), { repository: 'a/b' });
    }
  });
});

describe('a destination with a template', () => {
  const rows = [
    { template: 'mirror/{repository}', called: 'mirror/team/web/app' },
    { template: 'mirror/{path}', called: 'mirror/web/app' },
    { template: '{project}-mirror/{path}', called: 'team-mirror/web/app' },
    { template: '{namespace}/x-{name}', called: 'team/web/x-app' },
    { template: '{endpoint}/{repository}', called: 'hub/team/web/app' },
    { template: '{3}/{1}', called: 'app/team' },
  ];
  for (const { template, called } of rows) {
    it(`calls team/web/app ${called} by ${template}`, () => {
      assert.deepEqual(named('team/web/app', { template }), { repository: called });
    });
  }

  it('leaves out what a name does not have, with its slash', () => {
    assert.deepEqual(named('app', { template: 'm/{namespace}/{name}' }), { repository: 'm/app' });
    assert.deepEqual(named('app', { template: '{9}/{name}' }), { repository: 'app' });
  });

  it('refuses a repository of which nothing is left', () => {
    assert.match(refused('app', { template: '{path}' }), /no name/);
  });

  for (const template of [
    '',
    'Mirror/{name}',
    '{nmae}',
    'm/{name',
    '{0}/{name}',
    '/{name}',
    'm//',
  ]) {
    it(`is refused as ${JSON.stringify(template)}`, () => {
      assert.equal(Destination.safeParse({ endpoint: 'e', template }).success, false);
    });
  }

  it('has no namespace beside it', () => {
    const destination = { endpoint: 'e', template: '{name}', namespace: 'n' };
    assert.equal(Destination.safeParse(destination).success, false);
  });
});

describe('a registry whose names have', () => {
  const rows = [
    { shape: 'at-least-two', repository: 'image', isRefused: true },
    { shape: 'at-least-two', repository: 'a/image', isRefused: false },
    { shape: 'at-least-two', repository: 'a/b/image', isRefused: false },
    { shape: 'exactly-two', repository: 'image', isRefused: true },
    { shape: 'exactly-two', repository: 'a/image', isRefused: false },
    { shape: 'exactly-two', repository: 'a/b/image', isRefused: true },
  ] as const;
  for (const { shape, repository, isRefused } of rows) {
    it(`${shape} components ${isRefused ? 'does not take' : 'takes'} ${repository}`, () => {
      const source = { repository, endpoint: 'hub' };
      const naming = destinationOf(source, Destination.parse({ endpoint: 'e' }), shape);
      assert.equal('refused' in naming, isRefused);
    });
  }
});

describe('repositories that would be called alike', () => {
  it('are named, by the name that they claim', () => {
    const claims = [
      claim('hub a/image', 'local n/image'),
      claim('hub b/image', 'local n/image'),
      claim('hub b/image', 'local n/image'),
      claim('quay image', 'local n/image'),
      claim('hub a/image', 'other n/image'),
      claim('hub a/image', 'other n/image'),
      claim('hub c', 'local n/c'),
    ];

    assert.deepEqual(namingConflicts(claims), [
      {
        endpoint: 'local',
        repository: 'n/image',
        sources: [
          { endpoint: 'hub', repository: 'a/image' },
          { endpoint: 'hub', repository: 'b/image' },
          { endpoint: 'quay', repository: 'image' },
        ],
      },
    ]);
  });

  const rows = [
    { destination: {}, may: false },
    { destination: { flatten: 'all' }, may: false },
    { destination: { namespace: 'n' }, may: false },
    { destination: { namespace: 'n', flatten: 1 }, may: true },
    { destination: { namespace: 'n', flatten: 'all' }, may: true },
    { destination: { template: 'm/{repository}' }, may: false },
    { destination: { template: '{endpoint}/{project}/{path}' }, may: false },
    { destination: { template: 'm-{namespace}/{name}' }, may: false },
    { destination: { template: '{project}-{path}' }, may: true },
    { destination: { template: '{repository}/{name}' }, may: true },
    { destination: { template: 'm/{name}' }, may: true },
  ];
  for (const { destination, may } of rows) {
    it(`${may ? 'may' : 'cannot'} be with ${JSON.stringify(destination)}`, () => {
      assert.equal(mayCallAlike(Destination.parse({ endpoint: 'e', ...destination })), may);
    });
  }

  it('cannot be where it is said so', () => {
    const anyName = fc
      .array(fc.constantFrom('a', 'b', 'a-b', 'b-a', 'ab'), { minLength: 1, maxLength: 3 })
      .map((parts) => parts.join('/'));
    const destinations = rows.filter(({ may }) => !may).map(({ destination }) => destination);
    fc.assert(
      fc.property(fc.constantFrom(...destinations), anyName, anyName, (destination, one, other) => {
        fc.pre(one !== other);
        const [first, second] = [named(one, destination), named(other, destination)];
        assert.ok(
          'refused' in first || 'refused' in second || first.repository !== second.repository,
        );
      }),
    );
  });
});

function claim(from: string, to: string): Claim {
  const [[source = '', name = ''] = [], [endpoint = '', repository = ''] = []] = [from, to].map(
    (text) => text.split(' '),
  );
  return { source: { endpoint: source, repository: name }, endpoint, repository };
}

function named(repository: string, destination: object): ReturnType<typeof destinationOf> {
  const parsed = Destination.parse({ endpoint: 'e', ...destination });
  return destinationOf({ repository, endpoint: 'hub' }, parsed);
}

function refused(repository: string, destination: object): string {
  const naming = named(repository, destination);
  return 'refused' in naming ? naming.refused : '';
}
