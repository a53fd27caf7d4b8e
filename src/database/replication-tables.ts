import type { Generated } from 'kysely';
import type { Flag } from './flag.ts';

export interface ReplicationPolicyRow {
  id: Generated<number>;
  name: string;
  enabled: Flag;
  /** Whether the configuration file declares it, which makes it read-only in the API. */
  declared: Flag;
  /** JSON: what `policies/replication.ts` describes. */
  rules: string;
  /** JSON: its filters as a client of Harbor's API wrote them, where one did. */
  filters: string | null;
  created_at: number;
  updated_at: number;
}
