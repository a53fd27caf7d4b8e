import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Throttle } from '../../src/registry/throttle.ts';

describe('an endpoint that was told to wait', () => {
  it('waits as long as it was told, and says how long that is', () => {
    const clock = { now: 0 };
    const throttle = new Throttle('h', () => clock.now);

    throttle.block('control', 60, 10_000);

    clock.now = 20_500;
    assert.throws(() => throttle.assertFree('control'), { retryAfterSeconds: 40 });
    clock.now = 60_000;
    throttle.assertFree('control');
  });

  it('waits a moment when it was not told how long', () => {
    const clock = { now: 0 };
    const throttle = new Throttle('h', () => clock.now);

    const told = throttle.block('control', undefined, 10_000);

    assert.equal(told.retryAfterSeconds, undefined);
    assert.throws(() => throttle.assertFree('control'), { retryAfterSeconds: 10 });
  });

  it('asks again within the hour whatever it was told', () => {
    const clock = { now: 0 };
    const throttle = new Throttle('h', () => clock.now);

    throttle.block('control', 86_400, 10_000);

    clock.now = 3_600_000;
    throttle.assertFree('control');
  });

  it('goes on with blobs while manifests are counted out', () => {
    const throttle = new Throttle('h', () => 0);

    throttle.block('control', 60, 10_000);

    throttle.assertFree('blob');
  });
});
