/** Where the rules of a policy put one repository, destination by destination. */
import { destinationOf } from '../../policies/replication-naming.ts';
import type { SyncReference } from './payloads.ts';
import type { Run } from './run.ts';
import type { Destination } from './sides.ts';

/** Of an endpoint that policies name: what its tasks load. */
export type HostOf = (endpoint: string) => Promise<string | undefined>;

export interface Place {
  readonly place: Pick<SyncReference, 'from' | 'destination' | 'to'>;
  readonly side: Pick<Destination, 'endpoint' | 'host'>;
}

/** `refused`: why it has no name at the others, a sentence for each. */
export interface Places {
  readonly places: readonly Place[];
  readonly refused: readonly string[];
}

export async function placesOf(
  { source, destinations }: Pick<Run['rules'], 'source' | 'destinations'>,
  repository: string,
  hostOf: HostOf,
): Promise<Places> {
  const places: Place[] = [];
  const refused: string[] = [];
  for (const [destination, to] of destinations.entries()) {
    const named = destinationOf({ repository, endpoint: source }, to);
    if ('refused' in named) {
      refused.push(`endpoint ${to.endpoint}: ${named.refused}`);
      continue;
    }
    const place = { from: repository, destination, to: named.repository };
    places.push({ place, side: { endpoint: to.endpoint, host: await hostOf(to.endpoint) } });
  }
  return { places, refused };
}
