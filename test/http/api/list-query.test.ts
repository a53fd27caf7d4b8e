import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { listQueryOf } from '../../../src/http/api/list-query.ts';
import { ManagementError } from '../../../src/oci/management-error.ts';

const FIELDS = { username: 'name', creation_time: 'createdAt', labels: 'labels' };

function read(parameters: Readonly<Record<string, string>>) {
  return listQueryOf((name) => parameters[name], FIELDS);
}

describe('what a client wants of a list', () => {
  it('is the first ten, unless it says otherwise', () => {
    assert.deepEqual(read({}), { filters: [], sort: [], offset: 0, limit: 10 });
    assert.deepEqual(read({ page: '3', page_size: '25' }), {
      filters: [],
      sort: [],
      offset: 50,
      limit: 25,
    });
  });

  it('is as much as a page may have when it asks for less than nothing', () => {
    assert.deepEqual(read({ page: '0', page_size: '-1' }), {
      filters: [],
      sort: [],
      offset: 0,
      limit: 100,
    });
  });

  it('is no larger page than there may be, and no page that is no number', () => {
    for (const parameters of [{ page_size: '101' }, { page: 'x' }, { page: '1e3' }]) {
      assert.throws(() => read(parameters), ManagementError);
    }
  });

  const filters: readonly (readonly [q: string, filter: object])[] = [
    ['username=ann', { field: 'name', kind: 'exact', value: 'ann' }],
    ['username=~an', { field: 'name', kind: 'fuzzy', value: 'an' }],
    ['username="a b"', { field: 'name', kind: 'exact', value: 'a b' }],
    [
      'creation_time=[2026-01-01T00:00:00~2026-02-01T00:00:00]',
      {
        field: 'createdAt',
        kind: 'range',
        min: '2026-01-01T00:00:00',
        max: '2026-02-01T00:00:00',
      },
    ],
    ['creation_time=[~5]', { field: 'createdAt', kind: 'range', max: '5' }],
    ['creation_time=[5~]', { field: 'createdAt', kind: 'range', min: '5' }],
    ['labels={1 2}', { field: 'labels', kind: 'any', values: ['1', '2'] }],
    ["labels=('a' b)", { field: 'labels', kind: 'all', values: ['a', 'b'] }],
    ['username=a\\,b\\~c\\\\', { field: 'name', kind: 'exact', value: 'a,b~c\\' }],
    ['username%3D~an', { field: 'name', kind: 'fuzzy', value: 'an' }],
  ];
  for (const [q, filter] of filters) {
    it(`is filtered by ${q}`, () => {
      assert.deepEqual(read({ q }).filters, [filter]);
    });
  }

  it('is filtered by several at once, and not by what nobody knows', () => {
    assert.deepEqual(
      read({ q: 'username=~a,shoe_size=44,labels={1}' }).filters.map(({ field }) => field),
      ['name', 'labels'],
    );
  });

  it('is sorted by what is known, in either direction', () => {
    assert.deepEqual(read({ sort: '-creation_time,shoe_size,username' }).sort, [
      { field: 'createdAt', descending: true },
      { field: 'name', descending: false },
    ]);
  });

  it('is refused where it cannot be understood', () => {
    for (const q of ['x', '=x', 'username=', 'labels={}', 'creation_time=[~]', 'labels=[1~2~3]']) {
      assert.throws(() => read({ q }), ManagementError, q);
    }
  });
});
