import type { Insertable } from 'kysely';
import type { Tables } from '../../src/database/tables.ts';
import { digestOf } from '../../src/oci/digest.ts';

const at = Date.UTC(2026, 10, 21);
type Rows = Pick<Tables, 'replication_policies' | 'left_uploads'>;

export const replicationRows: { readonly [T in keyof Rows]: Required<Insertable<Rows[T]>> } = {
  replication_policies: {
    id: 1,
    name: 'nightly',
    enabled: 1,
    declared: 0,
    rules: '{}',
    filters: '[]',
    created_at: at,
    updated_at: at,
  },
  left_uploads: {
    registry: 'https://registry.example/',
    repository: 'team/app',
    digest: digestOf(new TextEncoder().encode('{}')),
    url: 'https://registry.example/v2/team/app/blobs/uploads/1',
    least_chunk: 0,
    opened_at: at,
  },
};
