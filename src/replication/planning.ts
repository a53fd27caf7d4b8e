import type { SyncReference } from './payloads.ts';
import type { Run } from './run.ts';
import type { Destination, Source } from './sides.ts';

/** One tag, or one manifest, on its way. */
export interface Planning {
  readonly run: Run;
  readonly plan: SyncReference;
  readonly source: Source;
  readonly destination: Destination;
}
