import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  listsNoMoreThan,
  prefixOf,
  RepositoryFilter,
  selectsRepository,
  selectsTag,
  selectsUntagged,
  TagFilter,
} from '../../policies/replication-selection.ts';

describe('a filter of repositories', () => {
  const rows = [
    { filter: {}, selected: ['a', 'a/b/c'], left: [] },
    { filter: ['library/*'], selected: ['library/alpine'], left: ['library/a/b', 'team/a'] },
    { filter: ['library/**', 'team/app'], selected: ['library/a/b', 'team/app'], left: ['team/x'] },
    { filter: { exclude: ['*/secret'] }, selected: ['a/b'], left: ['a/secret'] },
    { filter: { include: ['a/*'], exclude: ['a/b'] }, selected: ['a/c'], left: ['a/b', 'c/c'] },
    { filter: ['/team-\\d+/.*/'], selected: ['team-1/a', 'team-22/a/b'], left: ['team-x/a'] },
    { filter: ['/app/'], selected: ['app'], left: ['my/app', 'app/b'] },
    { filter: ['/a|b/'], selected: ['a', 'b'], left: ['ab', 'a/b'] },
  ];
  for (const { filter, selected, left } of rows) {
    it(`selects by ${JSON.stringify(filter)}`, () => {
      const parsed = RepositoryFilter.parse(filter);
      const isSelected = (name: string): boolean => selectsRepository(name, parsed);

      assert.deepEqual(selected.filter(isSelected), selected);
      assert.deepEqual(left.filter(isSelected), []);
    });
  }

  it('takes no time for what would take others for ever', () => {
    const filter = RepositoryFilter.parse(['/(a+)+/', '/(.*a){20}/']);

    assert.equal(selectsRepository(`${'a'.repeat(250)}_`, filter), false);
  });

  for (const filter of [
    [],
    ['a['],
    ['/(/'],
    ['/(?=a)a/'],
    ['/a)|(b/'],
    [''],
    { includes: ['a'] },
    'a',
    ['a'.repeat(300)],
  ]) {
    it(`is refused as ${JSON.stringify(filter).slice(0, 40)}`, () => {
      assert.equal(RepositoryFilter.safeParse(filter).success, false);
    });
  }
});

describe('a filter that says which repositories', () => {
  const rows = [
    { filter: ['library/alpine'], names: ['library/alpine'] },
    {
      filter: ['library/{alpine,busybox}', 'a/b'],
      names: ['library/alpine', 'library/busybox', 'a/b'],
    },
    { filter: ['{a,b}/{c,d}'], names: ['a/c', 'a/d', 'b/c', 'b/d'] },
    { filter: ['a/b', 'a/{b,c}'], names: ['a/b', 'a/c'] },
    { filter: { include: ['a/{b,c}'], exclude: ['*/c'] }, names: ['a/b'] },
    { filter: ['library/*'], names: undefined },
    { filter: ['a', '**'], names: undefined },
    { filter: ['a/?'], names: undefined },
    { filter: ['a/[bc]'], names: undefined },
    { filter: ['/a/'], names: undefined },
    { filter: {}, names: undefined },
  ];
  for (const { filter, names } of rows) {
    it(`needs ${names === undefined ? 'a' : 'no'} catalogue as ${JSON.stringify(filter)}`, () => {
      assert.deepEqual(listsNoMoreThan(RepositoryFilter.parse(filter)), names);
    });
  }
});

describe('a list of the repositories that a filter may select', () => {
  const rows = [
    { filter: ['library/*'], prefix: 'library/' },
    { filter: ['library/a*', 'library/b*'], prefix: 'library/' },
    { filter: ['team-{one,two}/**'], prefix: 'team-' },
    { filter: ['a/b'], prefix: 'a/b' },
    { filter: { include: ['a/b/*', 'a/c'], exclude: ['x'] }, prefix: 'a/' },
    { filter: ['a/*', 'b/*'], prefix: '' },
    { filter: ['a/**', '/a.*/'], prefix: '' },
    { filter: {}, prefix: '' },
  ];
  for (const { filter, prefix } of rows) {
    it(`begins with ${JSON.stringify(prefix)} by ${JSON.stringify(filter)}`, () => {
      assert.equal(prefixOf(RepositoryFilter.parse(filter)), prefix);
    });
  }

  it('begins with the namespace where all names have one', () => {
    const named = [
      { filter: ['team/**'], prefix: 'team/' },
      { filter: ['team/**', 'team/a'], prefix: 'team/' },
      { filter: ['team*/**'], prefix: 'team' },
      { filter: ['team/**', 'team-b/**'], prefix: 'team' },
      { filter: ['team/app/**'], prefix: 'team/app' },
      { filter: {}, prefix: '' },
    ];
    for (const { filter, prefix } of named) {
      assert.equal(prefixOf(RepositoryFilter.parse(filter), 2), prefix);
    }
  });
});

describe('a filter of tags', () => {
  const rows = [
    { filter: {}, selected: ['latest', 'v1'], left: [] },
    { filter: ['v*', 'latest'], selected: ['v1', 'latest'], left: ['1'] },
    { filter: { exclude: ['*-debug'] }, selected: ['v1'], left: ['v1-debug'] },
    { filter: ['/v\\d+/'], selected: ['v1', 'v23'], left: ['v1.2', 'xv1'] },
    {
      filter: { semver: '>=1.0 <2' },
      selected: ['1.0.0', 'v1.9.9', '1.2', '1', '1.2.3_build'],
      left: ['latest', '2.0.0', '0.9', '1.2.3-rc.1', '1.2.3-alpine', '1.2.3.4', '1.', 'v'],
    },
    { filter: { semver: ['1.x', '3.x'] }, selected: ['1.5.0', '3.0'], left: ['2.0.0'] },
    { filter: { semver: '>=24.04' }, selected: ['24.04', '24.10'], left: ['22.04'] },
    {
      filter: { semver: '>=1.0.0', prereleases: true },
      selected: ['1.2.3-rc.1', '1.2-alpine'],
      left: ['latest', '1.0.0-rc.1'],
    },
    {
      filter: { semver: '>=1.2.3-rc.2' },
      selected: ['1.2.3-rc.3', '1.3.0'],
      left: ['1.2.3-rc.1', '1.3.0-rc.1'],
    },
    {
      filter: { semver: '1.x', include: ['v*'], exclude: ['*.0'] },
      selected: ['v1.0.1'],
      left: ['1.0.1', 'v1.0.0', 'v2.0.1'],
    },
    { filter: { semver: '*' }, selected: ['1.0.0'], left: ['latest', '99999999999999999999'] },
  ];
  for (const { filter, selected, left } of rows) {
    it(`selects by ${JSON.stringify(filter)}`, () => {
      const parsed = TagFilter.parse(filter);

      assert.deepEqual(
        selected.filter((tag) => selectsTag(tag, parsed)),
        selected,
      );
      assert.deepEqual(
        left.filter((tag) => selectsTag(tag, parsed)),
        [],
      );
    });
  }

  for (const filter of [{ semver: 'banana' }, { semver: '' }, { semver: [] }, { sember: '1' }]) {
    it(`is refused as ${JSON.stringify(filter)}`, () => {
      assert.equal(TagFilter.safeParse(filter).success, false);
    });
  }

  it('selects what has no tag where its patterns match nothing at all, as in Harbor', () => {
    assert.deepEqual([{}, ['*'], ['**'], ['{,v*}']].map(selectsNothing), [true, true, true, true]);
    assert.deepEqual([['v*'], ['?'], { exclude: ['*'] }, { semver: '*' }].map(selectsNothing), [
      false,
      false,
      false,
      false,
    ]);
    assert.equal(selectsNothing({ exclude: ['v*'] }), true);
  });
});

function selectsNothing(filter: unknown): boolean {
  return selectsUntagged(TagFilter.parse(filter));
}
