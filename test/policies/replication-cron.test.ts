import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { parse, validate } from 'node-cron';
import {
  CronExpression,
  harborCronOf,
  isHarborCron,
  nodeCronOf,
} from '../../policies/replication-cron.ts';

describe('a schedule', () => {
  const rows = [
    { text: '0 2 * * *', node: ['0 0 2 * * *'] },
    { text: '0 0 2 * * *', node: ['0 0 2 * * *'] },
    { text: '  0   2 * * * ', node: ['0 0 2 * * *'] },
    { text: '30 0 2 * * *', node: ['30 0 2 * * *'] },
    { text: '*/20 * * * *', node: ['0 0,20,40 * * * *'] },
    { text: '5/20 * * * *', node: ['0 5,25,45 * * * *'] },
    { text: '0 22-2 * * *', node: ['0 0 0,1,2,22,23 * * *'] },
    { text: '0 1-7/3,12 * * *', node: ['0 0 1,4,7,12 * * *'] },
    { text: '0 2 ? JAN,jul mon-fri', node: ['0 0 2 * 1,7 1,2,3,4,5'] },
    { text: '0 2 * nov-feb *', node: ['0 0 2 * 1,2,11,12 *'] },
    { text: '0 2 * * 7', node: ['0 0 2 * * 0'] },
    { text: '0 2 * * 5-7', node: ['0 0 2 * * 0,5,6'] },
    { text: '0 2 * * sat-mon', node: ['0 0 2 * * 0,1,6'] },
    { text: '0 2 29 2 *', node: ['0 0 2 29 2 *'] },
    { text: '@daily', node: ['0 0 0 * * *'] },
    { text: '@Weekly', node: ['0 0 0 * * 0'] },
    { text: '@hourly', node: ['0 0 * * * *'] },
    // crontab(5): either day counts, unless one starts with a star.
    { text: '0 2 1 * mon', node: ['0 0 2 1 * *', '0 0 2 * * 1'] },
    { text: '0 2 */10 * mon', node: ['0 0 2 1,11,21,31 * 1'] },
    { text: '0 2 31 2 mon', node: ['0 0 2 * 2 1'] },
  ];
  for (const { text, node } of rows) {
    it(`${text} is ${node.join(' and ')} for node-cron`, () => {
      assert.equal(CronExpression.safeParse(text).success, true);
      assert.deepEqual(nodeCronOf(text), node);
      assert.deepEqual(
        nodeCronOf(text).filter((expression) => !validate(expression)),
        [],
      );
    });
  }

  const refusals = [
    { text: '', says: /minute, hour/ },
    { text: '0 2 * *', says: /minute, hour/ },
    { text: '0 0 0 2 * * *', says: /minute, hour/ },
    { text: '@reboot', says: /minute, hour/ },
    { text: '60 2 * * *', says: /minute is from 0 to 59, not 60/ },
    { text: '0 24 * * *', says: /hour is from 0 to 23/ },
    { text: '0 2 0 * *', says: /day of the month is from 1 to 31/ },
    { text: '0 2 * 13 *', says: /month is from 1 to 12/ },
    { text: '0 2 * foo *', says: /month .* not foo/ },
    { text: '0 2 * * 8', says: /day of the week/ },
    { text: '*/0 * * * *', says: /minute/ },
    { text: '1,,2 * * * *', says: /minute/ },
    { text: '-1 * * * *', says: /minute/ },
    { text: '0 2 L * *', says: /day of the month/ },
    { text: '* 0 2 * * *', says: /once a minute at most/ },
    { text: '0,30 0 2 * * *', says: /once a minute at most/ },
    { text: '0 2 31 2 *', says: /day comes at all/ },
    { text: '0 2 31 4,6,9,11 *', says: /day comes at all/ },
  ];
  for (const { text, says } of refusals) {
    it(`is refused as ${JSON.stringify(text)}, and says why`, () => {
      const { error } = CronExpression.safeParse(text);

      assert.match(error?.issues[0]?.message ?? '', says);
      assert.deepEqual(nodeCronOf(text), []);
    });
  }

  it('is one that node-cron takes and reads alike, whenever it is taken', () => {
    const any = fc.tuple(
      anyField(0, 59),
      anyField(0, 23),
      anyField(1, 31),
      anyField(1, 12),
      anyField(0, 6),
    );
    fc.assert(
      fc.property(any, (fields) => {
        const expressions = nodeCronOf(fields.join(' '));
        fc.pre(expressions.length > 0);
        assert.ok(expressions.every((expression) => validate(expression)));
        const [ours, theirs] = [
          expressions[0] ?? '',
          `0 ${fields.slice(0, 2).join(' ')} * * *`,
        ].map(parse);
        assert.deepEqual(new Set(ours?.minute), new Set(theirs?.minute));
        assert.deepEqual(new Set(ours?.hour), new Set(theirs?.hour));
      }),
    );
  });
});

describe('a schedule of Harbor', () => {
  const rows = [
    { text: '0 0 2 * * *', isTaken: true },
    { text: '0 */5 * * * *', isTaken: true },
    { text: '0 2 * * *', isTaken: false },
    { text: '0 * * * * *', isTaken: false },
    { text: '5 0 2 * * *', isTaken: false },
    { text: '0 0 25 * * *', isTaken: false },
    { text: '', isTaken: false },
  ];
  for (const { text, isTaken } of rows) {
    it(`is ${isTaken ? 'taken' : 'refused'} as ${JSON.stringify(text)}`, () => {
      assert.equal(isHarborCron(text), isTaken);
    });
  }

  it('is shown with six fields', () => {
    assert.deepEqual(['0 2 * * *', '30 0 2 * * mon', '@daily'].map(harborCronOf), [
      '0 0 2 * * *',
      '30 0 2 * * mon',
      '0 0 0 * * *',
    ]);
  });
});

function anyField(least: number, most: number): fc.Arbitrary<string> {
  const number = fc.integer({ min: least, max: most }).map(String);
  const part = fc.oneof(
    number,
    fc.tuple(number, number).map((ends) => ends.join('-')),
    fc
      .tuple(fc.constantFrom('*', `${least}-${most}`), fc.integer({ min: 1, max: 30 }))
      .map((ends) => ends.join('/')),
  );
  return fc.oneof(
    fc.constant('*'),
    fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => parts.join(',')),
  );
}
