/** What people manage by the API beside projects themselves: credentials of endpoints, limits, labels, rules, settings. */
import { sql } from 'kysely';
import type { Engine } from '../engine.ts';
import type { Migration } from '../migration.ts';

export const management: Migration = {
  async up(transaction, { engine }) {
    const statements = [
      ...columns(engine),
      ...projectTables(engine),
      ...labelTables(engine),
      ...settingTables(engine),
    ];
    for (const statement of statements) await sql.raw(statement).execute(transaction);
    await sql`update projects set storage_used =
      (select coalesce(sum(size), 0) from project_contents where project = projects.id)`.execute(
      transaction,
    );
  },
};

const columns = ({ integer, text }: Engine): readonly string[] => [
  `alter table projects add column storage_limit ${integer} not null default -1`,
  `alter table projects add column storage_used ${integer} not null default 0`,
  `alter table repositories add column description ${text} not null default ''`,
  `alter table endpoints add column description ${text} not null default ''`,
  `alter table endpoints add column credential ${text}`,
  `alter table endpoints add column ca ${text}`,
];

const projectTables = ({ id, integer, text, table, keyedTable }: Engine): readonly string[] => [
  `create table project_metadata (
    project ${integer} not null references projects (id) on delete cascade,
    name ${text} not null,
    value ${text} not null,
    primary key (project, name)
  ) ${keyedTable}`,
  `create table immutable_rules (
    id ${id},
    project ${integer} not null references projects (id) on delete cascade,
    disabled ${integer} not null,
    rule ${text} not null,
    created_at ${integer} not null,
    updated_at ${integer} not null
  ) ${table}`,
  'create index immutable_rules_project on immutable_rules (project)',
];

const labelTables = ({ id, integer, text, table, keyedTable }: Engine): readonly string[] => [
  `create table labels (
    id ${id},
    project ${integer} references projects (id) on delete cascade,
    name ${text} not null,
    description ${text} not null,
    color ${text} not null,
    created_at ${integer} not null,
    updated_at ${integer} not null
  ) ${table}`,
  'create unique index labels_name on labels (coalesce(project, 0), name)',
  `create table manifest_labels (
    manifest ${integer} not null references manifests (id) on delete cascade,
    label ${integer} not null references labels (id) on delete cascade,
    primary key (manifest, label)
  ) ${keyedTable}`,
  'create index manifest_labels_label on manifest_labels (label)',
];

const settingTables = ({ integer, text, keyedTable }: Engine): readonly string[] => [
  `create table settings (
    name ${text} primary key,
    value ${text} not null,
    updated_at ${integer} not null
  ) ${keyedTable}`,
];
