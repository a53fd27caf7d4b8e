import { ImmutableRule, isImmutable } from '../../policies/immutability.ts';
import { type Actor, writeAudit } from '../audit/audit.ts';
import type { Database, Queries, WriteTransaction } from '../database/database.ts';
import { type Listed, type Listing, type ListQuery, listPage } from '../database/listing.ts';
import type { Tables } from '../database/tables.ts';
import { OciError } from '../oci/error.ts';
import { ManagementError } from '../oci/management-error.ts';
import type { Repository } from './repositories.ts';

/** Which tags of a project nobody moves or deletes. */
export interface StoredImmutableRule {
  readonly id: number;
  readonly disabled: boolean;
  readonly rule: ImmutableRule;
}

export interface ImmutableRules {
  /** Fields: `id`, `disabled`. @throws ManagementError BAD_REQUEST */
  list(project: number, query: ListQuery): Promise<Listed<StoredImmutableRule>>;
  /** @throws ManagementError BAD_REQUEST, CONFLICT where the project has the same, NOT_FOUND (no such project) */
  create(project: number, rule: RuleContent, actor: Actor): Promise<{ readonly id: number }>;
  /** What of the rule is left out stays. @throws ManagementError BAD_REQUEST, NOT_FOUND */
  update(project: number, id: number, change: RuleChange, actor: Actor): Promise<void>;
  /** @throws ManagementError NOT_FOUND */
  remove(project: number, id: number, actor: Actor): Promise<void>;
}

export interface RuleContent {
  readonly disabled: boolean;
  /** As `policies/immutability.ts` has it. */
  readonly rule: unknown;
}

export interface RuleChange {
  readonly disabled: boolean;
  readonly rule: { readonly repositories?: unknown; readonly tags?: unknown };
}

const LISTING = {
  fields: {
    id: ['immutable_rules.id', 'integer'],
    disabled: ['immutable_rules.disabled', 'flag'],
  },
  order: { column: 'immutable_rules.id', descending: false },
} as const satisfies Listing<Tables, 'immutable_rules'>;

export function createImmutableRules(options: {
  readonly database: Database;
  /** Milliseconds UTC. */
  readonly now: () => number;
}): ImmutableRules {
  const { database, now } = options;
  return {
    async list(project, query) {
      const rows = database.read
        .selectFrom('immutable_rules')
        .selectAll()
        .where('project', '=', project);
      const { items, total } = await listPage(rows, query, LISTING);
      const rules = items.map(({ id, disabled, rule }) => ({
        id,
        disabled: disabled === 1,
        rule: ImmutableRule.parse(JSON.parse(rule)),
      }));
      return { items: rules, total };
    },

    async create(project, content, actor) {
      const columns = columnsOf(content);
      return database.write(async (transaction) => {
        await refuseSame(transaction, project, columns.rule);
        const at = now();
        const { id } = await transaction
          .insertInto('immutable_rules')
          .values({ ...columns, project, created_at: at, updated_at: at })
          .returning('id')
          .executeTakeFirstOrThrow();
        await tell(transaction, { project, id, operation: 'create' }, { actor, at });
        return { id };
      });
    },

    async update(project, id, change, actor) {
      await database.write(async (transaction) => {
        const at = now();
        const stored = await ruleById(transaction, project, id);
        const { repositories = stored.repositories, tags = stored.tags } = change.rule;
        const columns = columnsOf({ ...change, rule: { repositories, tags } });
        await transaction
          .updateTable('immutable_rules')
          .set({ ...columns, updated_at: at })
          .where('id', '=', id)
          .execute();
        await tell(transaction, { project, id, operation: 'update' }, { actor, at });
      });
    },

    async remove(project, id, actor) {
      await database.write(async (transaction) => {
        await deleteRule(transaction, project, id);
        await tell(transaction, { project, id, operation: 'delete' }, { actor, at: now() });
      });
    },
  };
}

/** @throws ManagementError NOT_FOUND */
async function ruleById(queries: Queries, project: number, id: number): Promise<ImmutableRule> {
  const row = await queries
    .selectFrom('immutable_rules')
    .select('rule')
    .where('project', '=', project)
    .where('id', '=', id)
    .executeTakeFirst();
  if (row === undefined) throw unknown(id);
  return ImmutableRule.parse(JSON.parse(row.rule));
}

async function deleteRule(
  transaction: WriteTransaction,
  project: number,
  id: number,
): Promise<void> {
  const row = await transaction
    .deleteFrom('immutable_rules')
    .where('project', '=', project)
    .where('id', '=', id)
    .returning('id')
    .executeTakeFirst();
  if (row === undefined) throw unknown(id);
}

/** Whether the project has a rule that acts. */
export async function hasImmutableRules(queries: Queries, project: number): Promise<boolean> {
  const rule = await queries
    .selectFrom('immutable_rules')
    .select('id')
    .where('project', '=', project)
    .where('disabled', '=', 0)
    .limit(1)
    .executeTakeFirst();
  return rule !== undefined;
}

/** Whether a rule of the repository's project holds the tag. */
export async function immutableIn(
  queries: Queries,
  { name, project }: Pick<Repository, 'name' | 'project'>,
): Promise<(tag: string) => boolean> {
  const rows = await queries
    .selectFrom('immutable_rules')
    .select('rule')
    .where('project', '=', project)
    .where('disabled', '=', 0)
    .execute();
  const rules = rows.map(({ rule }) => ImmutableRule.parse(JSON.parse(rule)));
  const repository = name.slice(name.indexOf('/') + 1);
  return (tag) => isImmutable({ repository, tag }, rules);
}

/** @throws OciError TAG_IMMUTABLE in the words of Harbor */
export async function refuseImmutable(
  queries: Queries,
  repository: Pick<Repository, 'name' | 'project'>,
  tags: readonly string[],
): Promise<void> {
  if (tags.length === 0) return;
  const held = tags.find(await immutableIn(queries, repository));
  if (held === undefined) return;
  const name = repository.name.slice(repository.name.indexOf('/') + 1);
  const message = `Failed to process request due to '${name}:${held}' configured as immutable.`;
  throw new OciError('TAG_IMMUTABLE', { message, detail: { tag: held } });
}

/** @throws ManagementError BAD_REQUEST */
function columnsOf({ disabled, rule }: RuleContent) {
  const { data, error } = ImmutableRule.safeParse(rule);
  if (error === undefined) {
    return { disabled: disabled ? 1 : 0, rule: JSON.stringify(data) } as const;
  }
  const [issue] = error.issues;
  const message = `${issue?.path.join('.')}: ${issue?.message}`;
  throw new ManagementError('BAD_REQUEST', message);
}

async function refuseSame(queries: Queries, project: number, rule: string): Promise<void> {
  const known = await queries
    .selectFrom('projects')
    .leftJoin('immutable_rules', (join) =>
      join
        .onRef('immutable_rules.project', '=', 'projects.id')
        .on('immutable_rules.rule', '=', rule),
    )
    .select('immutable_rules.id as same')
    .where('projects.id', '=', project)
    .where('projects.deleted_at', 'is', null)
    .executeTakeFirst();
  if (known === undefined) throw new ManagementError('NOT_FOUND', `project ${project} not found`);
  if (known.same !== null) throw new ManagementError('CONFLICT', 'the project has that rule');
}

function unknown(id: number): ManagementError {
  return new ManagementError('NOT_FOUND', `immutable tag rule ${id} not found`);
}

async function tell(
  transaction: WriteTransaction,
  { id, ...about }: { project: number; id: number; operation: 'create' | 'update' | 'delete' },
  act: { readonly actor: Actor; readonly at: number },
): Promise<void> {
  const resource = { resourceType: 'immutable-tag', resource: String(id) } as const;
  await writeAudit(transaction, { ...about, ...act, ...resource, succeeded: true, detail: '' });
}
