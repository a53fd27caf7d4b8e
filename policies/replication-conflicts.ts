/**
 * Replication: policies that copy different repositories to one name, where the one that runs last wins. Refused where
 * both say their repositories by name; where only the source's list tells, who copies such a name is told of the other.
 */
import { type NamedPolicy, type Place, tagExamples } from './replication-loops.ts';
import { type Destination, destinationOf, mayCallAlike } from './replication-naming.ts';
import { listsNoMoreThan, selectsRepository, selectsTag } from './replication-selection.ts';

/** One place, and the repositories that two policies would copy there. */
export interface Conflict {
  readonly place: Place;
  readonly sources: readonly [Place, Place];
  /** Of the second source. */
  readonly policy: string;
}

/** Names of endpoints that are the same registry, as one name. */
type RegistryOf = (endpoint: string) => string;

const MOST_NAMES = 10_000;

/** What the policy and one of the others, both enabled, are known to copy to one name; undefined where nothing is known. */
export function conflictWith(
  candidate: NamedPolicy,
  others: readonly NamedPolicy[],
  registryOf: RegistryOf = (endpoint) => endpoint,
): Conflict | undefined {
  if (!candidate.policy.enabled) return undefined;
  const claims = claimsOf(candidate);
  for (const other of others) {
    if (other.name === candidate.name || !other.policy.enabled) continue;
    if (!shareTag(candidate, other)) continue;
    for (const claim of claimsOf(other)) {
      const mine = claims.find((each) => isSame(each.place, claim.place, registryOf));
      if (mine === undefined || isSame(mine.source, claim.source, registryOf)) continue;
      return { place: mine.place, sources: [mine.source, claim.source], policy: other.name };
    }
  }
  return undefined;
}

/** For people. */
export function conflictText({ place, sources: [mine, theirs], policy }: Conflict): string {
  return `${textOf(mine)} and, by replication policy ${policy}, ${textOf(theirs)} would both be ${textOf(place)}`;
}

function textOf({ endpoint, repository }: Place): string {
  return `${endpoint}/${repository}`;
}

/**
 * Names of the other enabled policies that select a repository which they would call like that: whether it is there, only
 * their sources know. Those that flatten names, or make them of a template, are not found out unless they list theirs.
 */
export function rivalsFor(
  {
    place,
    source,
    by,
  }: { readonly place: Place; readonly source: Place; readonly by: NamedPolicy },
  others: readonly NamedPolicy[],
  registryOf: RegistryOf = (endpoint) => endpoint,
): readonly string[] {
  return others
    .filter((other) => other.name !== by.name && other.policy.enabled && shareTag(by, other))
    .filter((other) =>
      sourcesOf(place, other, registryOf).some((from) => !isSame(from, source, registryOf)),
    )
    .map(({ name }) => name);
}

interface Claim {
  readonly place: Place;
  readonly source: Place;
}

/** Of the repositories that it names; none where it has patterns. */
function claimsOf({ policy }: NamedPolicy): readonly Claim[] {
  const names = listsNoMoreThan(policy.repositories)?.slice(0, MOST_NAMES) ?? [];
  return policy.destinations.flatMap((destination) =>
    names.flatMap((repository) => {
      const source = { endpoint: policy.source, repository };
      const named = destinationOf(source, destination);
      if (!('repository' in named)) return [];
      return { source, place: { endpoint: destination.endpoint, repository: named.repository } };
    }),
  );
}

/** What the policy would copy to that place. */
function sourcesOf(place: Place, named: NamedPolicy, registryOf: RegistryOf): readonly Place[] {
  const { source, repositories, destinations } = named.policy;
  if (listsNoMoreThan(repositories) !== undefined) {
    const claims = claimsOf(named).filter((claim) => isSame(claim.place, place, registryOf));
    return claims.map((claim) => claim.source);
  }
  return destinations
    .filter(({ endpoint }) => registryOf(endpoint) === registryOf(place.endpoint))
    .flatMap((destination) => calledBefore(place.repository, destination))
    .filter((repository) => selectsRepository(repository, repositories))
    .map((repository) => ({ endpoint: source, repository }));
}

/** The name at the source, where the destination's rule can be turned round. */
function calledBefore(repository: string, destination: Destination): readonly string[] {
  const { namespace, template } = destination;
  if (template !== undefined || mayCallAlike(destination)) return [];
  if (namespace === undefined) return [repository];
  return repository.startsWith(`${namespace}/`) ? [repository.slice(namespace.length + 1)] : [];
}

/** Whether an example of a tag is selected by both; where none is, they may share one still. */
function shareTag(one: NamedPolicy, other: NamedPolicy): boolean {
  return tagExamples([one, other]).some(
    (tag) => selectsTag(tag, one.policy.tags) && selectsTag(tag, other.policy.tags),
  );
}

function isSame(one: Place, other: Place, registryOf: RegistryOf): boolean {
  return (
    one.repository === other.repository && registryOf(one.endpoint) === registryOf(other.endpoint)
  );
}
