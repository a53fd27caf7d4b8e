/** One execution of a policy, as its tasks see it. */
import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import { LOCAL, ReplicationPolicy } from '../../policies/replication.ts';
import type { rivalsFor } from '../../policies/replication-conflicts.ts';
import { OciError } from '../oci/error.ts';
import type { RegistryPeer } from '../registry/peer.ts';
import type { Link } from '../transfer/shaping.ts';
import { type LocalParts, localDestination, localSource } from './local-side.ts';
import { Pace, paced } from './pace.ts';
import { ReadAhead } from './read-ahead.ts';
import { ReadManifests } from './read-manifests.ts';
import { RemotePushes } from './remote-pushes.ts';
import { remoteDestination, remoteSource } from './remote-side.ts';
import type { Destination, Source } from './sides.ts';

/** What an execution is told when it begins: a policy that is changed meanwhile changes the next one. */
export const ExecutionFacts = z.object({
  policy: z.int(),
  name: z.string(),
  rules: ReplicationPolicy,
  isDryRun: z.boolean().default(false),
});
type ExecutionFacts = z.infer<typeof ExecutionFacts>;

/** Whose task it is: of two policies, or of one that only looks, neither stands for the other. */
export interface Asker {
  readonly policy: number;
  readonly rules: ReplicationPolicy;
  /** Whether tasks only say what they would do. */
  readonly isDryRun: boolean;
}

export interface Run extends Asker {
  readonly execution: number;
  readonly name: string;
  /** @throws OciError UNSUPPORTED where its endpoint is gone */
  source(): Promise<Source>;
  /** By its index in the policy. @throws as `source` */
  destination(index: number): Promise<Destination>;
  /** Other policies that may copy something else to what it calls that at a destination. */
  rivals(copied: Copied): Promise<readonly string[]>;
}

/** A repository of the source, and where it goes. */
export interface Copied {
  readonly repository: string;
  readonly to: { readonly endpoint: string; readonly repository: string };
}

export interface ConnectedRegistry {
  readonly peer: RegistryPeer;
  /** `host` or `host:port`. */
  readonly host: string;
  /** How many parts, apart by slashes, its repositories' names have at least. */
  readonly leastNameParts: number;
  readonly link: Link;
}

export interface RunsOptions {
  readonly local: LocalParts;
  /** Undefined where there is no endpoint of that name (any more). */
  readonly connect: (endpoint: string) => Promise<ConnectedRegistry | undefined>;
  /** What the execution was told. */
  readonly facts: (execution: number) => Promise<unknown>;
  /** For all that is replicated. */
  readonly link: Link;
  /** As `rivalsFor`, among all policies there are. */
  readonly rivals: (asked: Parameters<typeof rivalsFor>[0]) => Promise<readonly string[]>;
  /** Milliseconds UTC. */
  readonly now: () => number;
}

const MOST_RUNS = 100;

export type Runs = (execution: number) => Promise<Run>;

export function createRuns({ local, connect, facts, rivals, link, now }: RunsOptions): Runs {
  const known = new LRUCache<number, ExecutionFacts>({ max: MOST_RUNS });
  const paces = new LRUCache<number, Pace>({ max: MOST_RUNS });
  const manifests = new ReadManifests();
  const passing = { pushes: new RemotePushes(), readAhead: new ReadAhead() };
  const paceOf = ({ policy, rules }: ExecutionFacts): Pace => {
    const pace = paces.get(policy) ?? new Pace(rules, now);
    pace.rules = rules;
    paces.set(policy, pace);
    return pace;
  };
  const remote = async (endpoint: string) => {
    const connected = await connect(endpoint);
    if (connected !== undefined) return { endpoint, ...connected };
    throw new OciError('UNSUPPORTED', { message: `there is no endpoint ${endpoint} any more` });
  };
  return async (execution) => {
    const told = known.get(execution) ?? ExecutionFacts.parse(await facts(execution));
    known.set(execution, told);
    const { policy, name, rules, isDryRun } = told;
    return {
      execution,
      name,
      policy,
      rules,
      isDryRun,
      async source() {
        const isHere = rules.source === LOCAL;
        if (isHere) return paced(manifests.over(localSource(local)), paceOf(told), [link]);
        const from = await remote(rules.source);
        return paced(manifests.over(remoteSource(from)), paceOf(told), [from.link, link]);
      },
      async destination(index) {
        const endpoint = rules.destinations[index]?.endpoint ?? '';
        if (endpoint === LOCAL)
          return localDestination(local, { execution, policy: name, from: rules.source });
        return remoteDestination(await remote(endpoint), { ...passing, policy });
      },
      rivals({ repository, to }) {
        const source = { endpoint: rules.source, repository };
        return rivals({ place: to, source, by: { name, policy: rules } });
      },
    };
  };
}

/** The start of the keys of what is done by the rules of a policy. */
export function keyOf(
  { policy, isDryRun }: Pick<Asker, 'policy' | 'isDryRun'>,
  kind: string,
): string {
  return `${isDryRun ? 'look ' : ''}${kind} ${policy}`;
}
