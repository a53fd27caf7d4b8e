/** Replication: how fast a policy may go, and when. */
import { z } from 'zod';
import { TimeZone } from './replication-cron.ts';
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
