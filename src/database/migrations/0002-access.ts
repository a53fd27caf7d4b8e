/** Users with profiles, groups, members of projects, robots, what tokens are signed and renewed with, and who did it. */
import { sql } from 'kysely';
import type { Engine } from '../engine.ts';
import type { Migration } from '../migration.ts';

export const access: Migration = {
  async up(transaction, { engine }) {
    const statements = [
      ...userColumns(engine),
      ...memberTables(engine),
      ...robotTables(engine),
      ...tokenTables(engine),
      ...auditColumns(engine),
    ];
    for (const statement of statements) await sql.raw(statement).execute(transaction);
  },
};

const userColumns = ({ integer, text }: Engine): readonly string[] => [
  `alter table users add column email ${text}`,
  `alter table users add column real_name ${text} not null default ''`,
  `alter table users add column comment ${text} not null default ''`,
  `alter table users add column disabled ${integer} not null default 0`,
  `alter table users add column last_login_at ${integer}`,
  `alter table users add column valid_from ${integer} not null default 0`,
  'create unique index users_email on users (email)',
];

const memberTables = ({ id, integer, text, table, keyedTable }: Engine): readonly string[] => [
  `create table user_groups (
    id ${id},
    name ${text} not null,
    kind ${text} not null check (kind in ('ldap', 'http', 'oidc')),
    ldap_dn ${text},
    created_at ${integer} not null,
    updated_at ${integer} not null,
    unique (kind, name)
  ) ${table}`,
  `create table user_group_members (
    user_group ${integer} not null references user_groups (id) on delete cascade,
    user_id ${integer} not null references users (id) on delete cascade,
    primary key (user_id, user_group)
  ) ${keyedTable}`,
  'create index user_group_members_group on user_group_members (user_group)',
  `create table project_members (
    id ${id},
    project ${integer} not null references projects (id) on delete cascade,
    user_id ${integer} references users (id) on delete cascade,
    user_group ${integer} references user_groups (id) on delete cascade,
    role ${text} not null check (role in ('projectAdmin', 'maintainer', 'developer', 'guest', 'limitedGuest')),
    created_at ${integer} not null,
    updated_at ${integer} not null,
    check ((user_id is null) <> (user_group is null)),
    unique (project, user_id),
    unique (project, user_group)
  ) ${table}`,
  'create index project_members_user on project_members (user_id)',
  'create index project_members_group on project_members (user_group)',
];

const robotTables = ({ id, integer, text, table }: Engine): readonly string[] => [
  `create table robots (
    id ${id},
    name ${text} not null,
    project ${integer} references projects (id) on delete cascade,
    description ${text} not null,
    secret_hash ${text} not null,
    permissions ${text} not null,
    duration_days ${integer} not null,
    expires_at ${integer},
    disabled ${integer} not null,
    creator ${text} not null,
    valid_from ${integer} not null,
    created_at ${integer} not null,
    updated_at ${integer} not null
  ) ${table}`,
  'create unique index robots_name on robots (coalesce(project, 0), name)',
];

const tokenTables = ({ integer, text, keyedTable }: Engine): readonly string[] => [
  `create table signing_keys (
    kid ${text} primary key,
    private_key ${text} not null,
    public_key ${text} not null,
    created_at ${integer} not null,
    retired_at ${integer}
  ) ${keyedTable}`,
  `create table refresh_tokens (
    hash ${text} primary key,
    user_id ${integer} not null references users (id) on delete cascade,
    client ${text} not null,
    created_at ${integer} not null,
    used_at ${integer} not null,
    expires_at ${integer} not null
  ) ${keyedTable}`,
  'create index refresh_tokens_user on refresh_tokens (user_id)',
  'create index refresh_tokens_expires on refresh_tokens (expires_at)',
];

const auditColumns = ({ integer }: Engine): readonly string[] => [
  // No reference: what happened stays when the project goes.
  `alter table audit add column project ${integer}`,
  'create index audit_project on audit (project, id)',
];
