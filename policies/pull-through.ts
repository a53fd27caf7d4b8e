/** What an operator says of one proxy project: which repositories it pulls through, how fresh, how large. */
import { z } from 'zod';
import { matchesDoublestar, Pattern } from './doublestar.ts';
import { FreshnessRules } from './freshness.ts';
import { Size } from './units.ts';

export const RepositoryFilter = z.strictObject({
  include: z
    .array(Pattern)
    .min(1)
    .default(['**'])
    .meta({ description: 'Repositories that may be pulled, named as upstream names them.' }),
  exclude: z
    .array(Pattern)
    .default([])
    .meta({ description: 'Repositories that may not, even if included.' }),
});
export type RepositoryFilter = z.infer<typeof RepositoryFilter>;

/** A proxy project's own settings; they are stored as they were written and parsed where they are used. */
export const PullThroughSettings = z.strictObject({
  repositories: RepositoryFilter.optional().meta({
    description:
      'Which repositories of the upstream are pulled through; all, where it is left out.',
  }),
  exposePrivate: z.boolean().default(false).meta({
    description:
      'Let everybody pull what the credential of an endpoint may see. A public project with a credential needs this, or `repositories` that say which.',
  }),
  freshness: FreshnessRules.meta({
    description: 'How long cached tags answer by themselves, by tag pattern.',
  }),
  maxBlobSize: Size.optional().meta({
    description: 'Larger blobs are passed through and not kept.',
    examples: ['20GiB'],
  }),
});
export type PullThroughSettings = z.infer<typeof PullThroughSettings>;

/** Whether a repository, named as upstream names it, may be pulled through. */
export function mayBePulledThrough(
  repository: string,
  filter: RepositoryFilter | undefined,
): boolean {
  if (filter === undefined) return true;
  const isNamed = (patterns: readonly string[]): boolean =>
    patterns.some((pattern) => matchesDoublestar(repository, pattern));
  return isNamed(filter.include) && !isNamed(filter.exclude);
}

/** Whether everybody could pull what a credential may see, and nobody said that this is meant. */
export function exposesPrivate(
  project: {
    readonly isPublic: boolean;
    readonly settings: Pick<PullThroughSettings, 'repositories' | 'exposePrivate'>;
  },
  hasCredential: boolean,
): boolean {
  const { repositories, exposePrivate } = project.settings;
  const isMeant = exposePrivate || (repositories !== undefined && saysWhich(repositories));
  return project.isPublic && hasCredential && !isMeant;
}

/** Names that have nothing in common, by how many parts they have. */
const ANY_NAMES = [
  ['alpine', '0', 'z-9'],
  ['team/app', '0/1', 'z-9/a.b'],
  ['team/app/web', '0/1/2', 'z-9/a.b/q_q'],
];

/** Not the filter that lets all names through, or all of so many parts. */
function saysWhich(filter: RepositoryFilter): boolean {
  if (filter.exclude.length > 0) return true;
  return ANY_NAMES.every((names) => names.some((name) => !mayBePulledThrough(name, filter)));
}
