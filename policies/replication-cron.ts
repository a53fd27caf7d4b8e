/**
 * Replication: when a schedule starts a policy. Schedules are crontab(5)'s, with seconds before them or without, as people
 * and Harbor's clients write them; they become expressions of node-cron 4, which reads some things differently.
 */
import { z } from 'zod';

const FIELDS = [
  { name: 'second', first: 0, last: 59 },
  { name: 'minute', first: 0, last: 59 },
  { name: 'hour', first: 0, last: 23 },
  { name: 'day of the month', first: 1, last: 31 },
  { name: 'month', first: 1, last: 12 },
  { name: 'day of the week', first: 0, last: 7 },
] as const;
const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const LONGEST_MONTHS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
// crontab(5), "Nicknames"; without @reboot, which is no time.
const NICKNAMES = new Map([
  ['@yearly', '0 0 1 1 *'],
  ['@annually', '0 0 1 1 *'],
  ['@monthly', '0 0 1 * *'],
  ['@weekly', '0 0 * * 0'],
  ['@daily', '0 0 * * *'],
  ['@midnight', '0 0 * * *'],
  ['@hourly', '0 * * * *'],
]);
const LONGEST = 200;

/** A field as numbers; undefined where it leaves all of them open. */
type Field = readonly number[] | undefined;
type Fields = readonly [Field, Field, Field, Field, Field, Field];

const EXPECTED =
  'a schedule: minute, hour, day of the month, month and day of the week, with seconds before them or without';

export const CronExpression = z
  .string(EXPECTED)
  .max(LONGEST)
  .check((context) => {
    const problem = problemOf(context.value);
    if (problem === undefined) return;
    context.issues.push({
      code: 'custom',
      message: problem,
      input: context.value,
      continue: true,
    });
  })
  .meta({ kind: 'schedule' });

/**
 * The same schedule in node-cron's words, six fields of plain numbers; it has come where one of these has. There are two
 * where both days are given and neither starts with a star: either counts then (crontab(5)), and node-cron wants both.
 */
export function nodeCronOf(expression: string): readonly string[] {
  const fields = fieldsOf(expression);
  if (typeof fields === 'string') return [];
  const [second, minute, hour, day, month, weekday] = fields;
  const alternatives: readonly Fields[] = isEitherDay(expression)
    ? [
        [second, minute, hour, day, month, undefined],
        [second, minute, hour, undefined, month, weekday],
      ]
    : [fields];
  return alternatives
    .filter((alternative) => comes(alternative))
    .map((alternative) => alternative.map((field) => field?.join(',') ?? '*').join(' '));
}

/** Whether Harbor's API takes it: six fields, of which the second is `0` and the minute not `*`. */
export function isHarborCron(expression: string): boolean {
  const [second, minute, ...others] = expression.trim().split(/\s+/);
  const isOfHarbor = second === '0' && minute !== '*' && others.length === 4;
  return isOfHarbor && problemOf(expression) === undefined;
}

/** What Harbor's clients are shown: six fields. */
export function harborCronOf(expression: string): string {
  const text = NICKNAMES.get(expression.trim().toLowerCase()) ?? expression.trim();
  const fields = text.split(/\s+/);
  return (fields.length === 5 ? ['0', ...fields] : fields).join(' ');
}

function isEitherDay(expression: string): boolean {
  const [, , , day = '*', , weekday = '*'] = harborCronOf(expression).split(' ');
  return [day, weekday].every((text) => !/^[*?]/.test(text));
}

function problemOf(expression: string): string | undefined {
  const fields = fieldsOf(expression);
  if (typeof fields === 'string') return fields;
  return nodeCronOf(expression).length === 0 ? 'a schedule whose day comes at all' : undefined;
}

/** The six fields, or what is wrong with them. */
function fieldsOf(expression: string): Fields | string {
  const texts = harborCronOf(expression).split(' ');
  if (texts.length !== FIELDS.length) return EXPECTED;
  const fields: Field[] = [];
  for (const [index, { name, first, last }] of FIELDS.entries()) {
    const text = texts[index]?.toLowerCase() ?? '';
    const field = fieldOf(text, index, [first, last]);
    if (field === 'none')
      return `a schedule whose ${name} is from ${first} to ${last}, not ${text}`;
    fields.push(field);
  }
  const [second, minute, hour, day, month, weekday] = fields;
  if (second?.length !== 1) return 'a schedule with one second: it comes once a minute at most';
  return [second, minute, hour, day, month, sundaysAsOne(weekday)];
}

function sundaysAsOne(weekdays: Field): Field {
  return weekdays === undefined
    ? undefined
    : [...new Set(weekdays.map((weekday) => weekday % 7))].toSorted((a, b) => a - b);
}

/** Both ends count, and a range may go on at its beginning: `22-4`. */
function fieldOf(text: string, index: number, bounds: readonly [number, number]): Field | 'none' {
  if (text === '*' || text === '?') return undefined;
  const numbers = new Set<number>();
  for (const part of text.split(',')) {
    const more = partOf(part, index, bounds);
    if (more === undefined) return 'none';
    for (const number of more) numbers.add(number);
  }
  return [...numbers].toSorted((a, b) => a - b);
}

const PART = /^(?:(\*)|([a-z]{3}|\d{1,2})(?:-([a-z]{3}|\d{1,2}))?)(?:\/(\d{1,2}))?$/;

function partOf(
  part: string,
  index: number,
  [first, last]: readonly [number, number],
): readonly number[] | undefined {
  const [isPart, star, from, to, step] = PART.exec(part) ?? [];
  if (isPart === undefined) return undefined;
  const begin = star === undefined ? numberOf(from, index) : first;
  // `5/10` is `5-59/10`, as Harbor's own parser reads it.
  const openEnd =
    star !== undefined || step !== undefined ? Math.min(last, index === 5 ? 6 : last) : begin;
  const end = to === undefined ? openEnd : numberOf(to, index);
  const stride = step === undefined ? 1 : Number(step);
  const isInside = [begin, end].every((number) => number >= first && number <= last);
  if (!isInside || stride === 0) return undefined;
  return steps(begin, end, stride, [first, index === 5 ? 6 : last]);
}

function steps(
  begin: number,
  end: number,
  stride: number,
  [first, last]: readonly [number, number],
): readonly number[] {
  const length = end >= begin ? end - begin : end - begin + (last - first + 1);
  const count = Math.floor(length / stride) + 1;
  return Array.from({ length: count }, (_, step) => {
    const number = begin + step * stride;
    return end >= begin ? number : first + ((number - first) % (last - first + 1));
  });
}

function numberOf(text: string | undefined, index: number): number {
  if (text === undefined) return Number.NaN;
  if (/^\d+$/.test(text)) return Number(text);
  const names = index === 4 ? MONTHS : index === 5 ? DAYS : [];
  const at = names.indexOf(text);
  return at === -1 ? Number.NaN : at + (index === 4 ? 1 : 0);
}

/** Whether some month has such a day. */
function comes([, , , days, months]: Fields): boolean {
  if (days === undefined) return true;
  const earliest = Math.min(...days);
  return LONGEST_MONTHS.some(
    (length, month) => earliest <= length && (months?.includes(month + 1) ?? true),
  );
}
