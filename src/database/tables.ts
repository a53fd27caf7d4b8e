/**
 * The rows of the metadata database, as the last migration leaves them. Row ids are int64 and never reused, since
 * Harbor's API shows them. Times are integer milliseconds UTC. Booleans are 0 and 1, so that SQLite and PostgreSQL agree.
 *
 *     projects ─< repositories ─< manifests ─< manifest_references
 *         │             ├──< tags ─ tag_history          manifest_bytes (by digest, shared)
 *         │             └──< blob_links >── blobs        uploads, fills (unfinished)
 *         ├─< project_endpoints >─ endpoints
 *         ├─< project_contents (each digest once: what a quota counts)
 *         ├─< project_metadata, immutable_rules      settings (of the node)
 *         └─< labels ─< manifest_labels >─ manifests
 *     users >─< user_groups, both ─< project_members >─ projects ─< robots      signing_keys · users ─< refresh_tokens
 *     executions ─< tasks: `job-tables.ts` draws what is to be done · left_uploads (unfinished, at other registries)
 *     changes (the feed, the outbox of everything owned) · arrivals (the outbox of what was cached) · audit
 */
import type { Generated } from 'kysely';
import type { Digest } from '../oci/digest.ts';
import type {
  ProjectMemberRow,
  RefreshTokenRow,
  RobotRow,
  SigningKeyRow,
  UserGroupMemberRow,
  UserGroupRow,
  UserRow,
} from './access-tables.ts';
import type { Flag } from './flag.ts';
import type {
  ExecutionRow,
  FeedCursorRow,
  JobHostRow,
  JobLaneRow,
  JobQueueRow,
  JobTurnRow,
  ScheduleRow,
  TaskDependencyRow,
  TaskLogRow,
  TaskRow,
} from './job-tables.ts';
import type {
  ImmutableRuleRow,
  LabelRow,
  ManifestLabelRow,
  ProjectMetadataRow,
  SettingRow,
} from './management-tables.ts';
import type { LeftUploadRow, ReplicationPolicyRow } from './replication-tables.ts';

/** Of a manifest, tag or blob link: pushed here, copied by a policy or a member, or pulled through and evictable. */
export type Ownership = 'origin' | 'replica' | 'cache';
export type ProjectKind = 'hosted' | 'proxy';
/** Whether a pushed manifest's blobs and children must be in the repository. */
export type ReferenceMode = 'strict' | 'sparse';
/** `condemned` bytes go after a grace period unless somebody asks for them before. */
export type BlobState = 'present' | 'condemned';
export type ChangeKind = 'manifest' | 'tag' | 'manifest-deleted' | 'tag-deleted';
/** `replication:<execution>` comes with the execution's id. */
export type Cause = 'push' | 'api' | 'federation' | 'retention' | `replication:${number}`;

export interface InstanceRow {
  /** A UUID. One row. */
  id: string;
  /** 1, and the time (milliseconds UTC) of each start from a copy of the data, so that nobody takes old seqs for new ones. */
  feed_epoch: number;
  last_seq: number;
  last_hlc: string;
  created_at: number;
}

export interface ProjectRow {
  id: Generated<number>;
  name: string;
  kind: ProjectKind;
  public: Flag;
  reference_mode: ReferenceMode;
  /** `host` or `host:port` that `?ns=` names; proxy projects only. */
  upstream_host: string | null;
  /** Answers pulls of names that no project has; at most one project. */
  is_default: Flag;
  owner: string;
  /** Whether the configuration file declares it, which makes it read-only in the API. */
  declared: Flag;
  /** JSON: what only the owner of the project's kind reads (freshness rules, include and exclude globs, limits). */
  settings: string;
  created_at: number;
  updated_at: number;
  deleted_at: number | null;
  /** Bytes that owned content may take; -1: any number. */
  storage_limit: Generated<number>;
  /** Bytes: the sum of the project's `project_contents`. */
  storage_used: Generated<number>;
}

export interface EndpointRow {
  id: Generated<number>;
  name: string;
  adapter: string;
  url: string;
  /** JSON: the adapter's options; never a credential. */
  settings: string;
  declared: Flag;
  description: Generated<string>;
  /** JSON `{ username, password }`, sealed with the master key; null for those of the configuration, which keeps theirs. */
  credential: string | null;
  /** Certificates (PEM) to trust there besides those of the system. */
  ca: string | null;
  created_at: number;
  updated_at: number;
}

export interface ProjectEndpointRow {
  project: number;
  position: number;
  endpoint: number;
}

export interface RepositoryRow {
  id: Generated<number>;
  project: number;
  /** The canonical name, project included: `docker.io/library/alpine`. */
  name: string;
  pull_count: number;
  description: Generated<string>;
  created_at: number;
  updated_at: number;
}

export interface ManifestBytesRow {
  digest: Digest;
  bytes: Uint8Array;
}

export interface ManifestRow {
  id: Generated<number>;
  repository: number;
  digest: Digest;
  media_type: string;
  artifact_type: string | null;
  subject: Digest | null;
  ownership: Ownership;
  /** 0 while something it refers to is not here (sparse projects, caches). */
  complete: Flag;
  /** Bytes of the manifest itself. */
  size: number;
  pushed_at: number;
  pushed_by: string;
  pulled_at: number | null;
}

export interface ManifestReferenceRow {
  manifest: number;
  position: number;
  kind: 'config' | 'layer' | 'manifest' | 'blob';
  digest: Digest;
  media_type: string;
  size: number;
  /** 1 where the manifest is complete without it. */
  optional: Flag;
}

export interface TagRow {
  id: Generated<number>;
  repository: number;
  name: string;
  digest: Digest;
  ownership: Ownership;
  pushed_at: number;
  pulled_at: number | null;
  /** When upstream last confirmed that the tag points here; cached tags only. */
  checked_at: number | null;
  /** The change that put it here: `instance.id` and its seq; null for cached tags. */
  origin: string | null;
  seq: number | null;
  hlc: string | null;
}

export interface TagHistoryRow {
  id: Generated<number>;
  repository: number;
  tag: string;
  /** null: the tag was deleted. */
  digest: Digest | null;
  previous_digest: Digest | null;
  actor: string;
  cause: string;
  at: number;
}

export interface BlobRow {
  digest: Digest;
  size: number;
  state: BlobState;
  condemned_at: number | null;
  accessed_at: number;
}

export interface BlobLinkRow {
  repository: number;
  digest: Digest;
  ownership: Ownership;
  linked_at: number;
}

/** Each digest of a project once, manifests and blobs. */
export interface ProjectContentRow {
  project: number;
  digest: Digest;
  size: number;
}

export interface UploadRow {
  /** A UUID; also the name of the staged file. */
  id: string;
  repository: number;
  caller: string;
  /** What the client announced (`digest-algorithm`), else sha256. */
  algorithm: 'sha256' | 'sha512';
  /** Bytes acknowledged and synced. */
  received: number;
  started_at: number;
  updated_at: number;
}

export interface FillRow {
  digest: Digest;
  /** The canonical repository whose upstream is asked. */
  repository: string;
  size: number;
  /** JSON: sorted half-open `[start, end]` pairs that are staged and synced. */
  intervals: string;
  /** The name of the staged file. */
  staged: string;
  started_at: number;
  updated_at: number;
}

export interface ChangeRow {
  origin: string;
  epoch: number;
  seq: number;
  hlc: string;
  project: string;
  repository: string;
  kind: ChangeKind;
  tag: string | null;
  digest: Digest;
  media_type: string | null;
  artifact_type: string | null;
  subject: Digest | null;
  size: number | null;
  previous_digest: Digest | null;
  previous_origin: string | null;
  previous_seq: number | null;
  actor: string;
  cause: string;
  at: number;
}

/** Content that upstream's answer brought, or a tag that it moved. Kept for some days (`catalog/maintenance.ts`). */
export interface ArrivalRow {
  id: Generated<number>;
  project: number;
  repository: string;
  tag: string | null;
  digest: Digest;
  at: number;
}

export interface AuditRow {
  id: Generated<number>;
  at: number;
  actor: string;
  operation: string;
  resource_type: string;
  resource: string;
  /** The id of the project it happened in, which may be gone. */
  project: number | null;
  succeeded: Flag;
  address: string;
  detail: string;
}

export interface Tables {
  instance: InstanceRow;
  projects: ProjectRow;
  project_metadata: ProjectMetadataRow;
  endpoints: EndpointRow;
  project_endpoints: ProjectEndpointRow;
  repositories: RepositoryRow;
  manifest_bytes: ManifestBytesRow;
  manifests: ManifestRow;
  manifest_references: ManifestReferenceRow;
  tags: TagRow;
  tag_history: TagHistoryRow;
  labels: LabelRow;
  manifest_labels: ManifestLabelRow;
  immutable_rules: ImmutableRuleRow;
  settings: SettingRow;
  blobs: BlobRow;
  blob_links: BlobLinkRow;
  project_contents: ProjectContentRow;
  uploads: UploadRow;
  fills: FillRow;
  left_uploads: LeftUploadRow;
  changes: ChangeRow;
  arrivals: ArrivalRow;
  audit: AuditRow;
  users: UserRow;
  user_groups: UserGroupRow;
  user_group_members: UserGroupMemberRow;
  project_members: ProjectMemberRow;
  robots: RobotRow;
  signing_keys: SigningKeyRow;
  refresh_tokens: RefreshTokenRow;
  replication_policies: ReplicationPolicyRow;
  executions: ExecutionRow;
  tasks: TaskRow;
  task_dependencies: TaskDependencyRow;
  task_log: TaskLogRow;
  job_queues: JobQueueRow;
  job_turns: JobTurnRow;
  job_lanes: JobLaneRow;
  job_hosts: JobHostRow;
  schedules: ScheduleRow;
  feed_cursors: FeedCursorRow;
}
