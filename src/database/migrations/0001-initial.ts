/** The tables of version 1: `tables.ts` draws them and says what the columns mean. */
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import type { Engine } from '../engine.ts';
import type { Migration } from '../migration.ts';

export const initial: Migration = {
  async up(transaction, { engine, now }) {
    const statements = [
      ...instanceTables(engine),
      ...projectTables(engine),
      ...repositoryTables(engine),
      ...manifestTables(engine),
      ...tagTables(engine),
      ...blobTables(engine),
      ...unfinishedTables(engine),
      ...outboxTables(engine),
      ...personTables(engine),
    ];
    for (const statement of statements) await sql.raw(statement).execute(transaction);

    await sql`insert into instance (id, feed_epoch, last_seq, last_hlc, created_at)
      values (${randomUUID()}, 1, 0, '', ${now})`.execute(transaction);
    // Endpoint 0 is this node itself, as in Harbor's API.
    await sql`insert into endpoints (id, name, adapter, url, settings, declared, created_at, updated_at)
      values (0, 'local', 'local', '', '{}', 0, ${now}, ${now})`.execute(transaction);
  },
};

const instanceTables = ({ integer, text, table }: Engine): readonly string[] => [
  `create table migrations (
    version ${integer} primary key,
    applied_at ${integer} not null
  ) ${table}`,
  `create table instance (
    id ${text} primary key,
    feed_epoch ${integer} not null,
    last_seq ${integer} not null,
    last_hlc ${text} not null,
    created_at ${integer} not null
  ) ${table}`,
];

const projectTables = ({ id, integer, text, table, keyedTable }: Engine): readonly string[] => [
  `create table projects (
    id ${id},
    name ${text} not null,
    kind ${text} not null check (kind in ('hosted', 'proxy')),
    public ${integer} not null,
    reference_mode ${text} not null check (reference_mode in ('strict', 'sparse')),
    upstream_host ${text},
    is_default ${integer} not null,
    owner ${text} not null,
    declared ${integer} not null,
    settings ${text} not null,
    created_at ${integer} not null,
    updated_at ${integer} not null,
    deleted_at ${integer},
    check ((kind = 'proxy') = (upstream_host is not null)),
    check (kind = 'proxy' or is_default = 0)
  ) ${table}`,
  'create unique index projects_name on projects (name) where deleted_at is null',
  'create unique index projects_upstream_host on projects (upstream_host) where deleted_at is null',
  'create unique index projects_default on projects (is_default) where is_default = 1 and deleted_at is null',
  `create table endpoints (
    id ${id},
    name ${text} not null unique,
    adapter ${text} not null,
    url ${text} not null,
    settings ${text} not null,
    declared ${integer} not null,
    created_at ${integer} not null,
    updated_at ${integer} not null
  ) ${table}`,
  `create table project_endpoints (
    project ${integer} not null references projects (id) on delete cascade,
    position ${integer} not null,
    endpoint ${integer} not null references endpoints (id),
    primary key (project, position)
  ) ${keyedTable}`,
  'create index project_endpoints_endpoint on project_endpoints (endpoint)',
];

const repositoryTables = ({ id, integer, text, table, keyedTable }: Engine): readonly string[] => [
  `create table repositories (
    id ${id},
    project ${integer} not null references projects (id),
    name ${text} not null unique,
    pull_count ${integer} not null,
    created_at ${integer} not null,
    updated_at ${integer} not null
  ) ${table}`,
  'create index repositories_project on repositories (project, name)',
  `create table project_contents (
    project ${integer} not null references projects (id) on delete cascade,
    digest ${text} not null,
    size ${integer} not null,
    primary key (project, digest)
  ) ${keyedTable}`,
  'create index project_contents_digest on project_contents (digest)',
];

const manifestTables = ({
  id,
  integer,
  text,
  bytes,
  table,
  keyedTable,
}: Engine): readonly string[] => [
  `create table manifest_bytes (
    digest ${text} primary key,
    bytes ${bytes} not null
  ) ${table}`,
  `create table manifests (
    id ${id},
    repository ${integer} not null references repositories (id) on delete cascade,
    digest ${text} not null references manifest_bytes (digest),
    media_type ${text} not null,
    artifact_type ${text},
    subject ${text},
    ownership ${text} not null check (ownership in ('origin', 'replica', 'cache')),
    complete ${integer} not null,
    size ${integer} not null,
    pushed_at ${integer} not null,
    pushed_by ${text} not null,
    pulled_at ${integer},
    unique (repository, digest)
  ) ${table}`,
  'create index manifests_digest on manifests (digest)',
  // A pull moves its row in this index: what is pushed here has no part in it.
  `create index manifests_idle on manifests (coalesce(pulled_at, pushed_at)) where ownership = 'cache'`,
  'create index manifests_subject on manifests (repository, subject) where subject is not null',
  `create table manifest_references (
    manifest ${integer} not null references manifests (id) on delete cascade,
    position ${integer} not null,
    kind ${text} not null check (kind in ('config', 'layer', 'manifest', 'blob')),
    digest ${text} not null,
    media_type ${text} not null,
    size ${integer} not null,
    primary key (manifest, position)
  ) ${keyedTable}`,
  'create index manifest_references_digest on manifest_references (digest)',
];

const tagTables = ({ id, integer, text, table }: Engine): readonly string[] => [
  `create table tags (
    id ${id},
    repository ${integer} not null references repositories (id) on delete cascade,
    name ${text} not null,
    digest ${text} not null,
    ownership ${text} not null check (ownership in ('origin', 'replica', 'cache')),
    pushed_at ${integer} not null,
    pulled_at ${integer},
    checked_at ${integer},
    origin ${text},
    seq ${integer},
    hlc ${text},
    unique (repository, name)
  ) ${table}`,
  'create index tags_digest on tags (repository, digest)',
  `create table tag_history (
    id ${id},
    repository ${integer} not null references repositories (id) on delete cascade,
    tag ${text} not null,
    digest ${text},
    previous_digest ${text},
    actor ${text} not null,
    cause ${text} not null,
    at ${integer} not null
  ) ${table}`,
  'create index tag_history_tag on tag_history (repository, tag, id)',
];

const blobTables = ({ integer, text, keyedTable }: Engine): readonly string[] => [
  `create table blobs (
    digest ${text} primary key,
    size ${integer} not null,
    state ${text} not null check (state in ('present', 'condemned')),
    condemned_at ${integer},
    accessed_at ${integer} not null,
    check ((state = 'condemned') = (condemned_at is not null))
  ) ${keyedTable}`,
  'create index blobs_state on blobs (state, condemned_at)',
  'create index blobs_accessed on blobs (accessed_at)',
  `create table blob_links (
    repository ${integer} not null references repositories (id) on delete cascade,
    digest ${text} not null references blobs (digest),
    ownership ${text} not null check (ownership in ('origin', 'replica', 'cache')),
    linked_at ${integer} not null,
    primary key (repository, digest)
  ) ${keyedTable}`,
  'create index blob_links_digest on blob_links (digest)',
];

const unfinishedTables = ({ integer, text, keyedTable }: Engine): readonly string[] => [
  `create table uploads (
    id ${text} primary key,
    repository ${integer} not null references repositories (id) on delete cascade,
    caller ${text} not null,
    algorithm ${text} not null check (algorithm in ('sha256', 'sha512')),
    received ${integer} not null,
    started_at ${integer} not null,
    updated_at ${integer} not null
  ) ${keyedTable}`,
  'create index uploads_repository on uploads (repository)',
  'create index uploads_updated on uploads (updated_at)',
  `create table fills (
    digest ${text} primary key,
    repository ${text} not null,
    size ${integer} not null,
    intervals ${text} not null,
    staged ${text} not null unique,
    started_at ${integer} not null,
    updated_at ${integer} not null
  ) ${keyedTable}`,
];

const outboxTables = ({ id, integer, text, table }: Engine): readonly string[] => [
  `create table changes (
    origin ${text} not null,
    epoch ${integer} not null,
    seq ${integer} not null,
    hlc ${text} not null,
    project ${text} not null,
    repository ${text} not null,
    kind ${text} not null check (kind in ('manifest', 'tag', 'manifest-deleted', 'tag-deleted')),
    tag ${text},
    digest ${text} not null,
    media_type ${text},
    artifact_type ${text},
    subject ${text},
    size ${integer},
    previous_digest ${text},
    previous_origin ${text},
    previous_seq ${integer},
    actor ${text} not null,
    cause ${text} not null,
    at ${integer} not null,
    primary key (origin, epoch, seq)
  ) ${table}`,
  'create index changes_repository on changes (repository)',
  `create table arrivals (
    id ${id},
    project ${integer} not null references projects (id) on delete cascade,
    repository ${text} not null,
    tag ${text},
    digest ${text} not null,
    at ${integer} not null
  ) ${table}`,
  'create index arrivals_project on arrivals (project)',
  'create index arrivals_at on arrivals (at)',
];

const personTables = ({ id, integer, text, table }: Engine): readonly string[] => [
  `create table audit (
    id ${id},
    at ${integer} not null,
    actor ${text} not null,
    operation ${text} not null,
    resource_type ${text} not null,
    resource ${text} not null,
    succeeded ${integer} not null,
    address ${text} not null,
    detail ${text} not null
  ) ${table}`,
  'create index audit_at on audit (at)',
  'create index audit_resource on audit (resource)',
  `create table users (
    id ${id},
    name ${text} not null unique,
    password_hash ${text} not null,
    admin ${integer} not null,
    created_at ${integer} not null,
    updated_at ${integer} not null
  ) ${table}`,
];
