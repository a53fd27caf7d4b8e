/**
 * What an operator says of one replication policy, in the configuration file or by the API: what is copied, from where, to
 * where, as what, when and how fast. The questions it answers have a file each, `replication-*.ts`.
 */
import { z } from 'zod';
import { NameFilter } from './name-pattern.ts';
import { CronExpression } from './replication-cron.ts';
import { PruneRule } from './replication-mirror.ts';
import { Destination } from './replication-naming.ts';
import { Platform } from './replication-platforms.ts';
import { KeepRule } from './replication-pruning.ts';
import { LabelFilter, RepositoryFilter, TagFilter } from './replication-selection.ts';
import { Rate, Window } from './replication-windows.ts';
import { TimeZone } from './time-zone.ts';
import { Duration, Size } from './units.ts';

/** The endpoint that is this node. */
export const LOCAL = 'local';

const MOST_DESTINATIONS = 32;

const Trigger = z
  .union(
    [
      z.literal('manual'),
      z.strictObject({ cron: CronExpression, timeZone: TimeZone.default('UTC') }),
      z.strictObject({ event: z.enum(['push', 'arrival']), wait: Duration.optional() }),
    ],
    { error: '"manual", { cron, timeZone }, { event: push } or { event: arrival }' },
  )
  .default('manual')
  .meta({
    kind: 'mapping, or `manual`',
    description:
      'When it runs: by hand alone; by `cron`, with `timeZone` (UTC); or by an `event` here, `push` of something or `arrival` of something pulled through. An event moves only what it is about. With `wait`, a push of a tag that the policy selects waits so long for the copy: the tag is set here after it is set there, and where that fails, the client hears of it and the tag stays what it was.',
    examples: [{ cron: '0 2 * * *', timeZone: 'Europe/Berlin' }],
  });

/** What may be copied, and what is left out. */
const selection = {
  repositories: RepositoryFilter.prefault({}).meta({
    kind: 'list, or mapping',
    description:
      'Which repositories, named as the source names them: patterns, where `*` stays within a component and `**` does not, or regular expressions (RE2) between slashes. Where all of them are names without wildcards, the source is not asked for its list.',
    examples: [['library/*']],
  }),
  tags: TagFilter.prefault({}).meta({
    kind: 'list, or mapping',
    description: 'Which of their tags.',
    examples: [{ semver: '>=1.0' }],
  }),
  labels: LabelFilter.prefault({}).meta({
    kind: 'list, or mapping',
    description:
      'Which artifacts, by the labels that they carry. Only this node and Harbor know labels.',
  }),
  mediaTypes: NameFilter.prefault({}).meta({
    kind: 'list, or mapping',
    description: 'Which manifests, by media type.',
    examples: [['application/vnd.oci.image.*', 'application/vnd.docker.distribution.*']],
  }),
  artifactTypes: NameFilter.prefault({}).meta({
    kind: 'list, or mapping',
    description:
      'Which artifacts, by artifact type; what has none goes by the type of its config, an index by its media type.',
    examples: [['application/vnd.cncf.helm.config.*']],
  }),
  signedOnly: z.boolean().default(false).meta({
    description: 'Only what is signed: has a signature as referrer, or by a tag of cosign.',
  }),
  maxSize: Size.optional().meta({
    description: 'Nothing larger, counting all that is copied of it.',
    examples: ['20GiB'],
  }),
  keep: KeepRule.optional().meta({
    description: 'What of the selected tags is copied. All, where it is left out.',
  }),
  platforms: z
    .array(Platform)
    .min(1)
    .max(100)
    .optional()
    .meta({
      description:
        'Which images of an index; all, where it is left out. The index itself is never changed, so that its digest stays: the others are missing. What is no index is copied whatever it is for.',
      examples: [['linux/amd64', 'linux/arm64']],
    }),
  referrers: z.boolean().default(true).meta({
    description: 'Whether signatures, attestations and other referrers come along.',
  }),
};

/** What happens to what is at the destination already. */
const effect = {
  override: z.boolean().default(true).meta({
    description: 'Whether tags that point elsewhere at the destination are moved.',
  }),
  recheck: z.boolean().default(false).meta({
    description:
      'Whether what has the same digest at both ends is looked into all the same, down to its blobs and referrers: what was added to it since, or lost at the destination, is copied. Takes a few requests for each tag.',
  }),
  delete: z.boolean().default(false).meta({
    description: 'Whether deletions at the source are repeated, where an event triggers.',
  }),
  prune: PruneRule.optional().meta({
    description:
      'Mirror: delete tags at the destination that `tags` selects and the policy does not copy, or copies no more. Nothing is deleted, where it is left out.',
  }),
};

const pace = {
  trigger: Trigger,
  overlap: z.enum(['wait', 'skip']).default('wait').meta({
    description:
      'What a start does while the policy runs still: one of them waits for its end, or all are recorded as skipped.',
  }),
  bandwidth: Rate.prefault('unlimited').meta({
    description: 'How fast all that it copies at one time may go.',
    examples: ['20MB/s'],
  }),
  windows: z
    .array(Window)
    .max(100)
    .default([])
    .meta({
      description:
        'Times of the week with a bandwidth of their own; the first that matches counts.',
      examples: [[{ days: ['sat', 'sun'], bandwidth: 'unlimited' }]],
    }),
  priority: z.int().min(-10).max(10).default(0).meta({
    description:
      'Higher ones first, where several policies are waiting: lower ones wait for as long as higher ones have work for which there is room. Those of one priority share.',
  }),
  chunked: z.boolean().default(false).meta({
    description: 'Whether large blobs are pushed in chunks where the destination takes them.',
  }),
};

export const ReplicationPolicy = z
  .strictObject({
    description: z.string().max(1024).default('').meta({ description: 'For people.' }),
    enabled: z.boolean().default(true).meta({ description: 'Whether it runs.' }),
    source: z
      .string()
      .min(1)
      .meta({
        description: 'Name of the endpoint that is copied from, or `local`: this node.',
        examples: ['hub'],
      }),
    destinations: z
      .array(Destination)
      .min(1)
      .max(MOST_DESTINATIONS)
      .meta({
        description: 'Where it is copied to.',
        examples: [[{ endpoint: 'local', namespace: 'team' }]],
      }),
    ...selection,
    ...effect,
    ...pace,
  })
  .refine(
    ({ source, trigger }) => source === LOCAL || trigger === 'manual' || !('event' in trigger),
    { error: `events are of this node: source must be ${LOCAL}`, path: ['trigger'] },
  )
  .refine(
    ({ destinations }) =>
      new Set(destinations.map((one) => JSON.stringify(one))).size === destinations.length,
    {
      error: 'one of them twice',
      path: ['destinations'],
    },
  );
export type ReplicationPolicy = z.output<typeof ReplicationPolicy>;
