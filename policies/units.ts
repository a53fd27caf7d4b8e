/** How operators write lengths of time and amounts of data in rules and in the configuration. `kind` is for its documentation. */
import { z } from 'zod';

const MILLISECONDS = new Map([
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
]);
const BYTES = new Map([
  ['B', 1],
  ['KiB', 2 ** 10],
  ['MiB', 2 ** 20],
  ['GiB', 2 ** 30],
  ['TiB', 2 ** 40],
  ['KB', 1e3],
  ['MB', 1e6],
  ['GB', 1e9],
  ['TB', 1e12],
]);
const DURATION = /^\d{1,12}(?:\.\d{1,6})?(?:ms|s|m|h|d)$/;
const DURATION_OR_FOREVER = /^(?:\d{1,12}(?:\.\d{1,6})?(?:ms|s|m|h|d)|forever)$/;
const SIZE = /^\d{1,15}(?:\.\d{1,6})?(?:B|[KMGT]i?B)$/;

/** `30s`, `5m`, `1.5h`, `7d`; parsed to milliseconds. */
export const Duration = z
  .string('a duration such as 500ms, 30s, 5m, 12h or 7d')
  .regex(DURATION, 'a duration such as 500ms, 30s, 5m, 12h or 7d')
  .meta({ kind: 'duration' })
  .transform((text) => amountOf(text, MILLISECONDS));

/** As {@link Duration}, or `forever`, which is parsed to Infinity. */
export const DurationOrForever = z
  .string('a duration such as 30s, 5m, 12h, 7d, or forever')
  .regex(DURATION_OR_FOREVER, 'a duration such as 30s, 5m, 12h, 7d, or forever')
  .meta({ kind: 'duration, or `forever`' })
  .transform((text) =>
    text === 'forever' ? Number.POSITIVE_INFINITY : amountOf(text, MILLISECONDS),
  );

/** `64KiB`, `4MiB`, `1.5GB`; parsed to bytes. */
export const Size = z
  .string('a size such as 64KiB, 4MiB, 100GiB or 2TB')
  .regex(SIZE, 'a size such as 64KiB, 4MiB, 100GiB or 2TB')
  .meta({ kind: 'size' })
  .transform((text) => amountOf(text, BYTES));

function amountOf(text: string, units: ReadonlyMap<string, number>): number {
  const unit = text.replace(/^[\d.]+/, '');
  return Math.round(Number.parseFloat(text) * (units.get(unit) ?? Number.NaN));
}
