import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RefusedLogins } from '../../src/access/refused-logins.ts';

const MINUTE_MS = 60_000;

describe('refused logins', () => {
  it('are told once a minute of each name and address', () => {
    const { refused, pass } = open();

    assert.ok(refused.isWorthTelling({ name: 'alice', address: '192.0.2.7' }));
    for (let n = 0; n < 50; n++) {
      assert.ok(!refused.isWorthTelling({ name: 'alice', address: '192.0.2.7' }));
    }
    assert.ok(refused.isWorthTelling({ name: 'bob', address: '192.0.2.7' }));
    assert.ok(refused.isWorthTelling({ name: 'alice', address: '192.0.2.8' }));
    pass(MINUTE_MS);

    assert.ok(refused.isWorthTelling({ name: 'alice', address: '192.0.2.7' }));
  });

  it('of many names are told ten times a minute of one address, and of one network of IPv6', () => {
    const { refused, pass } = open();
    const told = (address: (n: number) => string) =>
      Array.from({ length: 200 }, (_, n) =>
        refused.isWorthTelling({ name: `user${n}`, address: address(n) }),
      ).filter(Boolean).length;

    assert.equal(
      told(() => '192.0.2.7'),
      10,
    );
    assert.equal(
      told((n) => `2001:db8:0:1::${n}`),
      10,
    );
    pass(MINUTE_MS);

    assert.equal(
      told(() => '192.0.2.7'),
      10,
    );
  });

  it('from everywhere are told a hundred times a minute', () => {
    const { refused } = open();
    const told = Array.from({ length: 1_000 }, (_, n) =>
      refused.isWorthTelling({ name: 'alice', address: `198.51.${n >> 8}.${n & 255}` }),
    );

    assert.equal(told.filter(Boolean).length, 100);
  });
});

function open() {
  const clock = { now: Date.UTC(2026, 10, 21) };
  return {
    refused: new RefusedLogins({ now: () => clock.now }),
    pass: (ms: number): void => {
      clock.now += ms;
    },
  };
}
