/**
 * Replication: policies that would copy their own copies. A policy is refused only with an example of what would come back,
 * so that no pattern is suspected; where none of the examples tried comes back (a regular expression gives none), a loop
 * may still be, and ends where the other side has the same digest.
 */
import { isRepositoryName, isTag } from '../src/oci/reference.ts';
import { nameExamplesOf } from './name-pattern.ts';
import type { ReplicationPolicy } from './replication.ts';
import { destinationOf } from './replication-naming.ts';
import { selectsRepository, selectsTag } from './replication-selection.ts';
import { versionWithin } from './tag-version.ts';

export interface NamedPolicy {
  readonly name: string;
  readonly policy: Pick<
    ReplicationPolicy,
    'enabled' | 'source' | 'destinations' | 'repositories' | 'tags' | 'trigger' | 'override'
  >;
}

/** The example: where a tag is at first, and where each of the policies copies it. */
export interface Loop {
  readonly policies: readonly string[];
  readonly tag: string;
  readonly places: readonly Place[];
}

export interface Place {
  readonly endpoint: string;
  readonly repository: string;
}

const MOST_EXAMPLES = 300;
/** Of one example: more than that and the policies are no loop, but a maze. */
const MOST_TRAILS = 1000;

/**
 * A loop that the policy would close, by itself or with others that are enabled; undefined where none was found. Several
 * policies are none if somebody starts one of them by hand, or if things come back as they were called and one of them
 * does not override: both end by themselves.
 *
 * @param registryOf endpoints that are the same registry, as one name
 */
export function loopThrough(
  candidate: NamedPolicy,
  others: readonly NamedPolicy[],
  registryOf: (endpoint: string) => string = (endpoint) => endpoint,
): Loop | undefined {
  const running = runsByItself(candidate)
    ? others.filter((other) => other.name !== candidate.name && runsByItself(other))
    : [];
  const all = [candidate, ...running];
  const tags = tagExamples(all);
  for (const repository of repositoryExamples(all)) {
    const start = { endpoint: candidate.policy.source, repository };
    const loop = backAtStart({ tags, steps: [], places: [start] }, all, registryOf);
    if (loop !== undefined) return loop;
  }
  return undefined;
}

/** For people. */
export function loopText({ tag, places }: Loop): string {
  const steps = places.map(({ endpoint, repository }) => `${endpoint}/${repository}:${tag}`);
  return `it would copy its own copies: ${steps.join(' to ')}`;
}

function runsByItself({ policy }: NamedPolicy): boolean {
  return policy.enabled && policy.trigger !== 'manual';
}

interface Trail {
  /** That all of its policies select. */
  readonly tags: readonly string[];
  readonly steps: readonly NamedPolicy[];
  readonly places: readonly Place[];
}

/** Along every policy once at most, until the first of them would copy what has come back. */
function backAtStart(
  start: Trail,
  all: readonly NamedPolicy[],
  registryOf: (endpoint: string) => string,
): Loop | undefined {
  const trails = [start];
  const seen = new Set<string>();
  // Grows while it is walked.
  for (const trail of trails) {
    for (const step of trail.steps.length === 0 ? all.slice(0, 1) : all) {
      const tags = taken(trail, step.policy, registryOf);
      const [tag] = tags;
      if (tag === undefined) continue;
      if (trail.steps.length > 0 && step === all[0]) {
        if (!isEndless(trail)) continue;
        return { policies: trail.steps.map(({ name }) => name), tag, places: trail.places };
      }
      if (trail.steps.includes(step) || trails.length > MOST_TRAILS) continue;
      const longer = further(trail, step, tags).map((one) => ({
        one,
        key: keyOf(one, all, registryOf),
      }));
      trails.push(...longer.filter(({ key }) => !seen.has(key)).map(({ one }) => one));
      for (const { key } of longer) seen.add(key);
    }
  }
  return undefined;
}

/** The tags of the trail that the policy copies from where it has come to. */
function taken(
  { tags, places }: Trail,
  policy: NamedPolicy['policy'],
  registryOf: (endpoint: string) => string,
): readonly string[] {
  const here = places.at(-1);
  if (here === undefined || registryOf(policy.source) !== registryOf(here.endpoint)) return [];
  if (!selectsRepository(here.repository, policy.repositories)) return [];
  return tags.filter((tag) => selectsTag(tag, policy.tags));
}

function further(trail: Trail, step: NamedPolicy, tags: readonly string[]): readonly Trail[] {
  const { source, destinations } = step.policy;
  const repository = trail.places.at(-1)?.repository ?? '';
  return destinations.flatMap((destination) => {
    const naming = destinationOf({ repository, endpoint: source }, destination);
    if ('refused' in naming) return [];
    const place = { endpoint: destination.endpoint, repository: naming.repository };
    return [{ tags, steps: [...trail.steps, step], places: [...trail.places, place] }];
  });
}

/** Trails go on alike from where the same policies would take the same tags. */
function keyOf(
  trail: Trail,
  all: readonly NamedPolicy[],
  registryOf: (endpoint: string) => string,
): string {
  const taking = all.map(({ policy }) => taken(trail, policy, registryOf).length);
  const isSame = trail.places[0]?.repository === trail.places.at(-1)?.repository;
  const isOverriding = trail.steps.every(({ policy }) => policy.override);
  return JSON.stringify([taking, trail.tags, isSame, isOverriding]);
}

function isEndless({ steps, places }: Trail): boolean {
  const isSame = places[0]?.repository === places.at(-1)?.repository;
  return steps.length === 1 || !isSame || steps.every(({ policy }) => policy.override);
}

function repositoryExamples(all: readonly NamedPolicy[]): readonly string[] {
  const names = all.flatMap(({ policy }) => nameExamplesOf(policy.repositories));
  return [...new Set([...names, 'x', 'x/x'])].filter(isRepositoryName).slice(0, MOST_EXAMPLES);
}

/** Some tags that one of the policies or another selects. */
export function tagExamples(all: readonly NamedPolicy[]): readonly string[] {
  const tags = all.flatMap(({ policy: { tags: filter } }) => [
    ...nameExamplesOf(filter),
    ...(filter.semver ?? []).map(versionWithin),
  ]);
  return [...new Set([...tags, 'latest', 'v1.0.0'])].filter(isTag).slice(0, MOST_EXAMPLES);
}
