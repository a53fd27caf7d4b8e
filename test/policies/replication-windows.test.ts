import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { z } from 'zod';
import { Rate, rateAt, Window } from '../../policies/replication-windows.ts';

const NIGHT = { from: '22:00', to: '06:00', bandwidth: 'unlimited' };
const WEEKEND = { days: ['sat', 'sun'], bandwidth: '50MB/s' };
const OFFICE = {
  days: ['mon', 'tue', 'wed', 'thu', 'fri'],
  from: '08:00',
  to: '18:00',
  bandwidth: 'none',
};
const BERLIN = { timeZone: 'Europe/Berlin' };

// 2026-11-23 is a Monday.
describe('a policy with windows', () => {
  const rows = [
    {
      name: 'in none',
      windows: [NIGHT],
      at: '2026-11-23T12:00Z',
      rate: 1e6,
      until: '2026-11-23T22:00Z',
    },
    {
      name: 'in one',
      windows: [NIGHT],
      at: '2026-11-23T22:00Z',
      rate: undefined,
      until: '2026-11-24T06:00Z',
    },
    {
      name: 'past midnight',
      windows: [NIGHT],
      at: '2026-11-24T05:59Z',
      rate: undefined,
      until: '2026-11-24T06:00Z',
    },
    {
      name: 'at its end',
      windows: [NIGHT],
      at: '2026-11-24T06:00Z',
      rate: 1e6,
      until: '2026-11-24T22:00Z',
    },
    {
      name: 'closed in office hours',
      windows: [OFFICE],
      at: '2026-11-23T09:00Z',
      rate: 0,
      until: '2026-11-23T18:00Z',
    },
    {
      name: 'free on Saturday',
      windows: [OFFICE],
      at: '2026-11-28T09:00Z',
      rate: 1e6,
      until: '2026-11-30T08:00Z',
    },
    {
      name: 'over two days',
      windows: [WEEKEND],
      at: '2026-11-28T09:00Z',
      rate: 50e6,
      until: '2026-11-30T00:00Z',
    },
    {
      name: 'waiting for days',
      windows: [WEEKEND],
      at: '2026-11-23T00:00Z',
      rate: 1e6,
      until: '2026-11-28T00:00Z',
    },
    {
      name: 'in the first of two',
      windows: [OFFICE, NIGHT],
      at: '2026-11-23T18:00Z',
      rate: 1e6,
      until: '2026-11-23T22:00Z',
    },
    {
      name: 'in two, of which the first counts',
      windows: [{ ...NIGHT, bandwidth: '2MB/s' }, WEEKEND],
      at: '2026-11-28T23:00Z',
      rate: 2e6,
      until: '2026-11-29T06:00Z',
    },
    {
      name: 'elsewhere',
      windows: [{ ...OFFICE, ...BERLIN }],
      at: '2026-11-23T07:30Z',
      rate: 0,
      until: '2026-11-23T17:00Z',
    },
    {
      name: 'where it is Monday already',
      windows: [{ days: ['mon'], bandwidth: 'none', timeZone: 'Pacific/Kiritimati' }],
      at: '2026-11-22T11:00Z',
      rate: 0,
      until: '2026-11-23T10:00Z',
    },
    {
      name: 'from one time to the same, which is a day',
      windows: [{ days: ['mon'], from: '09:00', to: '09:00', bandwidth: 'none' }],
      at: '2026-11-24T08:59Z',
      rate: 0,
      until: '2026-11-24T09:00Z',
    },
    // Clocks in Berlin go from 02:00 to 03:00 on 2026-03-29, which is 01:00 UTC, and back from 03:00 on 2026-10-25.
    {
      name: 'that ends where an hour is left out',
      windows: [{ from: '01:00', to: '04:00', bandwidth: 'none', ...BERLIN }],
      at: '2026-03-29T00:30Z',
      rate: 0,
      until: '2026-03-29T02:00Z',
    },
    {
      name: 'that begins within the hour that is left out',
      windows: [{ from: '02:30', to: '06:00', bandwidth: 'none', ...BERLIN }],
      at: '2026-03-29T00:30Z',
      rate: 1e6,
      until: '2026-03-29T01:00Z',
    },
    {
      name: 'that ends before an hour that comes twice, which opens it again',
      windows: [{ from: '01:00', to: '02:30', bandwidth: 'none', ...BERLIN }],
      at: '2026-10-25T00:00Z',
      rate: 0,
      until: '2026-10-25T00:30Z',
    },
    {
      name: 'that is always open',
      windows: [{ bandwidth: 'none' }],
      at: '2026-11-23T12:00Z',
      rate: 0,
      until: undefined,
    },
    {
      name: 'that changes nothing',
      windows: [{ ...NIGHT, bandwidth: '1MB/s' }],
      at: '2026-11-23T12:00Z',
      rate: 1e6,
      until: undefined,
    },
    {
      name: 'of which there is none',
      windows: [],
      at: '2026-11-23T12:00Z',
      rate: 1e6,
      until: undefined,
    },
  ];
  for (const { name, windows, at, rate, until } of rows) {
    it(`says the rate and its end: ${name}`, () => {
      const found = rateAt(
        { bandwidth: 1e6, windows: z.array(Window).parse(windows) },
        Date.parse(at),
      );

      assert.deepEqual(found, {
        rate,
        until: until === undefined ? undefined : Date.parse(until),
      });
    });
  }

  it('keeps its rate until the moment that it names, and has another then', () => {
    const time = fc
      .tuple(fc.integer({ min: 0, max: 23 }), fc.integer({ min: 0, max: 59 }))
      .map((parts) => parts.map((part) => String(part).padStart(2, '0')).join(':'));
    const window = fc.record({
      days: fc.subarray(['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'], { minLength: 1 }),
      from: time,
      to: time,
      timeZone: fc.constantFrom('UTC', 'Europe/Berlin', 'America/St_Johns', 'Australia/Lord_Howe'),
      bandwidth: fc.constantFrom('none', '1MB/s', '2MB/s', 'unlimited'),
    });
    const anyMoment = fc.integer({ min: Date.UTC(2026, 0), max: Date.UTC(2028, 0) });
    fc.assert(
      fc.property(
        fc.array(window, { maxLength: 3 }),
        anyMoment,
        fc.double({ min: 0, max: 1, noNaN: true }),
        (texts, now, part) => {
          const rule = { bandwidth: 1e6, windows: z.array(Window).parse(texts) };
          const { rate, until } = rateAt(rule, now);
          const end = until ?? now + 7 * 86_400_000;
          const between = now + Math.floor((end - now - 1) * part);
          assert.equal(rateAt(rule, between).rate, rate);
          if (until !== undefined) assert.notEqual(rateAt(rule, until).rate, rate);
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('a rate', () => {
  const rows = [
    { text: '20MB/s', bytes: 20e6 },
    { text: '1.5KiB/s', bytes: 1536 },
    { text: 'unlimited', bytes: Number.POSITIVE_INFINITY },
    { text: 'none', bytes: 0 },
    { text: '20MB', bytes: undefined },
    { text: '0B/s', bytes: undefined },
    { text: '20 Mbit/s', bytes: undefined },
    { text: '', bytes: undefined },
  ];
  for (const { text, bytes } of rows) {
    it(`${bytes === undefined ? 'is not' : `of ${bytes} bytes a second is`} ${JSON.stringify(text)}`, () => {
      assert.equal(Rate.safeParse(text).data, bytes);
    });
  }
});
