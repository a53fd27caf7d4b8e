import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { nextQueryIn } from '../../src/registry/link.ts';

const rows: readonly [string | undefined, string | undefined][] = [
  ['</v2/a/tags/list?n=2&last=b>; rel="next"', '?n=2&last=b'],
  ['</v2/a/tags/list?last=b>;rel=next', '?last=b'],
  ['<https://other.example/x?last=b>; rel="next"', '?last=b'],
  ['</first?p=1>; rel="first", </next?p=2>; title="x"; rel="next"', '?p=2'],
  ['</x?p=2>; rel="prev next"', '?p=2'],
  ['</x?p=2>; rel="nextish"', undefined],
  ['</x?p=2>; rel="prev"', undefined],
  ['</x>; rel="next"', undefined],
  ['nonsense', undefined],
  [undefined, undefined],
];

describe('the next page of a list', () => {
  for (const [link, query] of rows) {
    it(`is ${query} where Link is ${link}`, () => {
      assert.equal(nextQueryIn(link), query);
    });
  }
});
