import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { waitAfter } from '../../policies/sign-in.ts';

describe('the wait after wrong passwords', () => {
  for (const { counted, failures, expected } of [
    { counted: 'account', failures: 9, expected: 0 },
    { counted: 'account', failures: 10, expected: 1000 },
    { counted: 'account', failures: 12, expected: 4000 },
    { counted: 'account', failures: 100_000, expected: 15_000 },
    { counted: 'address', failures: 0, expected: 0 },
    { counted: 'address', failures: 10, expected: 1000 },
    { counted: 'address', failures: 17, expected: 128_000 },
    { counted: 'address', failures: 100_000, expected: 300_000 },
  ] as const) {
    it(`of an ${counted}, after ${failures} of them, is ${expected} ms`, () => {
      assert.equal(waitAfter(failures, counted), expected);
    });
  }
});
