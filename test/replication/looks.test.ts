import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Looks } from '../../src/replication/looks.ts';

const START = Date.UTC(2026, 10, 22);

describe('tasks that look again', () => {
  it('do soon where they are few, and fifty times a second where they are many', () => {
    const looks = new Looks(() => START);

    const waits = Array.from({ length: 1000 }, () => looks.next() - START);

    assert.deepEqual(waits.slice(0, 3), [500, 520, 540]);
    assert.equal(waits.at(-1), 20_480);
  });

  it('do soon again once the many have gone', () => {
    const clock = { at: START };
    const looks = new Looks(() => clock.at);
    for (let look = 0; look < 1000; look++) looks.next();

    clock.at += 60_000;

    assert.equal(looks.next() - clock.at, 500);
  });

  it('never do much later, however many they are and though the clock was set back', () => {
    const clock = { at: START };
    const looks = new Looks(() => clock.at);
    for (let look = 0; look < 10_000; look++) looks.next();
    assert.equal(looks.next() - clock.at, 30_000);

    clock.at -= 3_600_000;

    assert.equal(looks.next() - clock.at, 30_000);
  });
});
