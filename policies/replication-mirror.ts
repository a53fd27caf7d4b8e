/** Replication: what is deleted at a destination because the source no longer has it. */
import { z } from 'zod';

const EXPECTED = 'a number of tags, or a percentage from 1% to 100%';

export const PruneRule = z.strictObject({
  atMost: z
    .union([z.int().min(1), z.string().regex(/^(?:100|[1-9]\d?)%$/, EXPECTED)], { error: EXPECTED })
    .default('10%')
    .meta({
      kind: 'number, or percentage',
      description:
        'The most that one run may delete, in tags or as a part of all that the policy selects at the destination. A run that would delete more deletes nothing, and says so.',
      examples: ['10%'],
    }),
});
export type PruneRule = z.output<typeof PruneRule>;
