import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { failureToTell, movesOn, type SourceFailure } from '../../policies/source-order.ts';

describe('after a source that', () => {
  for (const [failure, isNextAsked] of [
    ['unavailable', true],
    ['throttled', true],
    ['not-found', false],
    ['denied', false],
    ['invalid', false],
  ] as const) {
    it(`is ${failure}, the next ${isNextAsked ? 'is' : 'is not'} asked`, () => {
      assert.equal(movesOn(failure), isNextAsked);
    });
  }
});

describe('the client is told', () => {
  const rows: readonly (readonly [failures: readonly SourceFailure[], told: SourceFailure])[] = [
    [['not-found'], 'not-found'],
    [['denied'], 'denied'],
    [['unavailable'], 'unavailable'],
    [['throttled', 'unavailable'], 'throttled'],
    [['unavailable', 'throttled'], 'unavailable'],
    [['throttled', 'not-found'], 'throttled'],
    [['unavailable', 'not-found'], 'unavailable'],
    [['throttled', 'denied'], 'denied'],
    [['unavailable', 'invalid'], 'invalid'],
  ];
  for (const [failures, told] of rows) {
    it(`${told} of ${failures.join(', then ')}`, () => {
      assert.equal(failures[failureToTell(failures)], told);
    });
  }
});
