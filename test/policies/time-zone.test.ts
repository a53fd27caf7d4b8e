import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { offsetsBetween, TimeZone } from '../../policies/time-zone.ts';

const HOUR = 3_600_000;

describe('a time zone', () => {
  it('is one that the machine knows', () => {
    const zones = ['UTC', 'Europe/Berlin', 'America/St_Johns', '+05:30', 'Mars/Base', ''];

    assert.deepEqual(
      zones.filter((zone) => TimeZone.safeParse(zone).success),
      ['UTC', 'Europe/Berlin', 'America/St_Johns', '+05:30'],
    );
  });

  const rows = [
    { zone: 'UTC', at: '2026-07-01T12:00:00Z', hours: 0 },
    { zone: 'Europe/Berlin', at: '2026-01-01T12:00:00Z', hours: 1 },
    { zone: 'Europe/Berlin', at: '2026-07-01T23:59:59.999Z', hours: 2 },
    { zone: 'America/St_Johns', at: '2026-01-01T00:00:00Z', hours: -3.5 },
    { zone: 'Asia/Kathmandu', at: '2026-01-01T00:00:00Z', hours: 5.75 },
    { zone: 'Pacific/Kiritimati', at: '2026-12-31T23:00:00Z', hours: 14 },
    { zone: '+05:30', at: '2026-01-01T00:00:00Z', hours: 5.5 },
  ];
  for (const { zone, at, hours } of rows) {
    it(`${zone} is ${hours} hours ahead at ${at}`, () => {
      const from = Date.parse(at);

      assert.deepEqual(offsetsBetween(from, from, zone), [{ from, offset: hours * HOUR }]);
    });
  }

  it('says to the millisecond when clocks are set, and how', () => {
    const from = Date.parse('2026-03-01T12:34:56.789Z');

    assert.deepEqual(offsetsBetween(from, Date.parse('2026-12-01T00:00:00Z'), 'Europe/Berlin'), [
      { from, offset: HOUR },
      { from: Date.parse('2026-03-29T01:00:00Z'), offset: 2 * HOUR },
      { from: Date.parse('2026-10-25T01:00:00Z'), offset: HOUR },
    ]);
  });
});
