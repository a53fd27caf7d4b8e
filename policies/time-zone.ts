/** What clocks show somewhere, by the tables that come with Node. */
import { z } from 'zod';

export const DAY_MS = 86_400_000;

export const TimeZone = z
  .string()
  .max(100)
  .refine(isTimeZone, 'a time zone such as UTC or Europe/Berlin');

const formats = new Map<string, Intl.DateTimeFormat>();

/** How far clocks are ahead of UTC, in milliseconds, from some moment on. */
export interface ZoneOffset {
  readonly from: number;
  readonly offset: number;
}

/** In order; the first is that of the beginning, each further one from when clocks are set to it. */
export function offsetsBetween(
  from: number,
  to: number,
  timeZone: string,
): readonly [ZoneOffset, ...ZoneOffset[]] {
  const offsets: [ZoneOffset, ...ZoneOffset[]] = [{ from, offset: offsetAt(from, timeZone) }];
  let last = offsets[0];
  // Clocks are nowhere set twice a day.
  for (let day = from; day < to; day += DAY_MS) {
    const next = Math.min(day + DAY_MS, to);
    const offset = offsetAt(next, timeZone);
    if (offset === last.offset) continue;
    last = { from: changeBetween(day, next, timeZone), offset };
    offsets.push(last);
  }
  return offsets;
}

function offsetAt(moment: number, timeZone: string): number {
  const parts: Record<string, number> = {};
  for (const { type, value } of formatOf(timeZone).formatToParts(moment)) {
    parts[type] = Number(value);
  }
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
  const shown = Date.UTC(year, month - 1, day, hour, minute, second);
  return shown - Math.floor(moment / 1000) * 1000;
}

/** When clocks are set to the other offset, given that those at the two moments differ. */
function changeBetween(before: number, after: number, timeZone: string): number {
  const old = offsetAt(before, timeZone);
  let [low, high] = [before, after];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (offsetAt(middle, timeZone) === old) low = middle;
    else high = middle;
  }
  return high;
}

function formatOf(timeZone: string): Intl.DateTimeFormat {
  let format = formats.get(timeZone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone,
      calendar: 'iso8601',
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
    formats.set(timeZone, format);
  }
  return format;
}

function isTimeZone(text: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: text }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}
