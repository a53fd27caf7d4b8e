/** Replication: how fast a policy may go, and when. */
import { z } from 'zod';
import { DAY_MS, offsetsBetween, TimeZone, type ZoneOffset } from './time-zone.ts';
import { Size } from './units.ts';

const EXPECTED = 'a rate such as 500KB/s or 20MiB/s, "unlimited" or "none"';

/** Bytes a second; Infinity for `unlimited`, 0 for `none`. */
export const Rate = z
  .string(EXPECTED)
  .regex(/^(?:unlimited|none|.+\/s)$/, EXPECTED)
  .meta({ kind: 'rate, `unlimited`, or `none`' })
  .transform((text, context) => {
    if (text === 'unlimited') return Number.POSITIVE_INFINITY;
    if (text === 'none') return 0;
    const size = Size.safeParse(text.slice(0, -2));
    if (size.success && size.data > 0) return size.data;
    context.addIssue(EXPECTED);
    return z.NEVER;
  });

/** What a line that is to be used at all can have. */
export const isRate = (rate: number): boolean => rate > 0;
export const NO_RATE = 'a rate, or "unlimited"; to copy nothing, switch policies off';

const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;

const TimeOfDay = z
  .string()
  .regex(/^(?:(?:[01]\d|2[0-3]):[0-5]\d|24:00)$/, 'a time of day such as 08:30 or 24:00');

export const Window = z.strictObject({
  days: z
    .array(z.enum(DAYS))
    .min(1)
    .default([...DAYS])
    .meta({
      description: 'On which it begins.',
      examples: [['mon', 'tue', 'wed', 'thu', 'fri']],
    }),
  from: TimeOfDay.default('00:00').meta({ kind: 'time', description: 'When it begins.' }),
  to: TimeOfDay.default('24:00').meta({
    kind: 'time',
    description: 'When it ends; on the next day where this is not after `from`.',
  }),
  timeZone: TimeZone.default('UTC').meta({ description: 'Of these times.' }),
  bandwidth: Rate.meta({
    description: 'How fast meanwhile, instead of what the policy says otherwise.',
  }),
});
export type Window = z.output<typeof Window>;

/** `rate` is bytes a second, undefined where there is no limit and 0 where nothing may be moved. */
export interface RateFor {
  readonly rate: number | undefined;
  /** The next moment at which it is another; undefined where it stays. */
  readonly until: number | undefined;
}

/** How fast a policy may go now, and until when. Milliseconds UTC. */
export function rateAt(
  rule: { readonly bandwidth: number; readonly windows: readonly Window[] },
  now: number,
): RateFor {
  const zones = new Map(
    rule.windows.map(({ timeZone }) => [
      timeZone,
      offsetsBetween(now, now + HORIZON_DAYS * DAY_MS, timeZone),
    ]),
  );
  const bandwidthAt = (moment: number): number =>
    rule.windows.find((window) => isOpen(window, moment, zones.get(window.timeZone)))?.bandwidth ??
    rule.bandwidth;
  const current = bandwidthAt(now);
  const until = [
    ...new Set(
      rule.windows.flatMap((window) => momentsOf(window, now, zones.get(window.timeZone))),
    ),
  ]
    .toSorted((one, other) => one - other)
    .find((moment) => bandwidthAt(moment) !== current);
  return { rate: current === Number.POSITIVE_INFINITY ? undefined : current, until };
}

/** A week and a day, so that every window begins and ends once, wherever clocks are set. */
const HORIZON_DAYS = 8;
const MINUTE_MS = 60_000;
/** 1970-01-01 was a Thursday. */
const FIRST_DAY = DAYS.indexOf('thu');

type Offsets = readonly ZoneOffset[] | undefined;

function isOpen({ days, from, to }: Window, moment: number, offsets: Offsets): boolean {
  const offset = offsets?.findLast((one) => one.from <= moment)?.offset ?? 0;
  const shown = moment + offset;
  const day = Math.floor(shown / DAY_MS);
  const time = shown - day * DAY_MS;
  const isOn = (which: number): boolean => {
    const name = DAYS[(((which + FIRST_DAY) % DAYS.length) + DAYS.length) % DAYS.length];
    return name !== undefined && days.includes(name);
  };
  const [begin, end] = [timeOf(from), timeOf(to)];
  if (begin < end) return isOn(day) && time >= begin && time < end;
  return (isOn(day) && time >= begin) || (isOn(day - 1) && time < end);
}

/**
 * All moments after `now` at which the window may begin or end within a week: those of its times by each offset that
 * clocks have meanwhile, and those at which they are set. Some are none, which does no harm.
 */
function momentsOf({ from, to }: Window, now: number, offsets: Offsets): readonly number[] {
  const moments = (offsets ?? []).flatMap(({ from: change, offset }) => {
    const today = Math.floor((now + offset) / DAY_MS);
    const days = Array.from({ length: HORIZON_DAYS + 2 }, (_, day) => today - 1 + day);
    return [
      change,
      ...days.flatMap((day) => [from, to].map((time) => day * DAY_MS + timeOf(time) - offset)),
    ];
  });
  return moments.filter((moment) => moment > now);
}

function timeOf(text: string): number {
  const [hours = 0, minutes = 0] = text.split(':').map(Number);
  return (hours * 60 + minutes) * MINUTE_MS;
}
