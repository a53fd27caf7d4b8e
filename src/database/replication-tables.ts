import type { Generated } from 'kysely';
import type { Digest } from '../oci/digest.ts';
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

/** An upload of a blob to another registry that is not done. */
export interface LeftUploadRow {
  /** Its base URL. */
  registry: string;
  repository: string;
  digest: Digest;
  /** Of the session. Some registries sign it; nobody's password is in it. */
  url: string;
  /** Bytes; 0 where the registry does not say. */
  least_chunk: number;
  opened_at: number;
}
