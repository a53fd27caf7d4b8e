/** Replication: which of the selected tags are copied. */
import { z } from 'zod';
import { Duration } from './units.ts';

export const KeepRule = z.strictObject({
  newest: z
    .int()
    .min(1)
    .max(1_000_000)
    .optional()
    .meta({
      description: 'Only so many tags of each repository, the newest ones.',
      examples: [5],
    }),
  by: z.enum(['semver', 'pushed', 'created']).default('pushed').meta({
    description:
      'What makes a tag new: the version that it names, when it was pushed, or when the image was built.',
  }),
  maxAge: Duration.optional().meta({
    description: 'Only tags that were pushed (or built, by `created`) no longer ago than this.',
    examples: ['90d'],
  }),
});
export type KeepRule = z.output<typeof KeepRule>;
