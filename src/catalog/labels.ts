import { type Actor, writeAudit } from '../audit/audit.ts';
import type { Database, Queries, WriteTransaction } from '../database/database.ts';
import { type Listed, type Listing, type ListQuery, listPage } from '../database/listing.ts';
import type { Tables } from '../database/tables.ts';
import { ManagementError } from '../oci/management-error.ts';

/** A word that people put on artifacts. */
export interface Label {
  readonly id: number;
  /** Undefined: of the node, for the artifacts of all projects. */
  readonly project: number | undefined;
  readonly name: string;
  readonly description: string;
  /** `#61717D`, or empty. */
  readonly color: string;
  /** Milliseconds UTC. */
  readonly createdAt: number;
  readonly updatedAt: number;
}

export interface LabelContent {
  readonly name: string;
  readonly description: string;
  readonly color: string;
}

export interface Labels {
  /** Of one project, or of the node. Fields: `id`, `name`, `createdAt`, `updatedAt`. @throws ManagementError BAD_REQUEST */
  list(project: number | undefined, query: ListQuery): Promise<Listed<Label>>;
  /** @throws ManagementError NOT_FOUND */
  get(id: number): Promise<Label>;
  /** @throws ManagementError BAD_REQUEST, CONFLICT, NOT_FOUND (no such project) */
  create(
    label: LabelContent & { readonly project: number | undefined },
    actor: Actor,
  ): Promise<{ readonly id: number }>;
  /** @throws ManagementError BAD_REQUEST, CONFLICT, NOT_FOUND */
  update(id: number, label: LabelContent, actor: Actor): Promise<void>;
  /** It leaves all artifacts. @throws ManagementError NOT_FOUND */
  remove(id: number, actor: Actor): Promise<void>;
}

const LISTING = {
  fields: {
    id: ['labels.id', 'integer'],
    name: ['labels.name', 'text'],
    createdAt: ['labels.created_at', 'time'],
    updatedAt: ['labels.updated_at', 'time'],
  },
  order: { column: 'labels.id', descending: false },
} as const satisfies Listing<Tables, 'labels'>;

export function createLabels(options: {
  readonly database: Database;
  /** Milliseconds UTC. */
  readonly now: () => number;
}): Labels {
  const { database, now } = options;
  return {
    async list(project, query) {
      const rows = labelRows(database.read);
      const some =
        project === undefined
          ? rows.where('labels.project', 'is', null)
          : rows.where('labels.project', '=', project);
      const { items, total } = await listPage(some, query, LISTING);
      return { items: items.map(labelOf), total };
    },

    get: (id) => requireLabel(database.read, id),

    async create({ project, ...content }, actor) {
      check(content);
      return database.write(async (transaction) => {
        const at = now();
        const id = await insertLabel(transaction, { ...content, project }, at);
        const { name } = content;
        await tell(transaction, { project, name }, { actor, operation: 'create', at });
        return { id };
      });
    },

    async update(id, content, actor) {
      check(content);
      await database.write(async (transaction) => {
        const { project, ...before } = await requireLabel(transaction, id);
        const { name, description, color } = content;
        if (name !== before.name) await refuseName(transaction, { project, name });
        const at = now();
        await transaction
          .updateTable('labels')
          .set({ name, description, color, updated_at: at })
          .where('id', '=', id)
          .execute();
        await tell(transaction, { project, name }, { actor, operation: 'update', at });
      });
    },

    async remove(id, actor) {
      await database.write(async (transaction) => {
        const label = await requireLabel(transaction, id);
        await transaction.deleteFrom('labels').where('id', '=', id).execute();
        await tell(transaction, label, { actor, operation: 'delete', at: now() });
      });
    },
  };
}

async function insertLabel(
  transaction: WriteTransaction,
  { project, name, description, color }: LabelContent & { project: number | undefined },
  at: number,
): Promise<number> {
  await requireProject(transaction, project);
  await refuseName(transaction, { project, name });
  const times = { created_at: at, updated_at: at };
  const { id } = await transaction
    .insertInto('labels')
    .values({ name, description, color, project: project ?? null, ...times })
    .returning('id')
    .executeTakeFirstOrThrow();
  return id;
}

export function labelRows(queries: Queries) {
  return queries.selectFrom('labels').selectAll('labels');
}

type LabelRow = Awaited<ReturnType<ReturnType<typeof labelRows>['executeTakeFirstOrThrow']>>;

export function labelOf({ id, project, name, description, color, ...row }: LabelRow): Label {
  return {
    id,
    project: project ?? undefined,
    name,
    description,
    color,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}

/** @throws ManagementError NOT_FOUND */
export async function requireLabel(queries: Queries, id: number): Promise<Label> {
  const row = await labelRows(queries).where('id', '=', id).executeTakeFirst();
  if (row === undefined) throw new ManagementError('NOT_FOUND', `label ${id} not found`);
  return labelOf(row);
}

/** Harbor's bounds. It looks no further at a color; its Terraform provider writes `false` where a plan names none. */
const LONGEST_NAME = 128;
const LONGEST_COLOR = 16;

function check({ name, color }: LabelContent): void {
  if (name.trim() === '' || name.length > LONGEST_NAME || /\p{Cc}/u.test(name)) {
    throw new ManagementError(
      'BAD_REQUEST',
      `a label has a name of 1 to ${LONGEST_NAME} characters`,
    );
  }
  if (color.length > LONGEST_COLOR || /\p{Cc}/u.test(color)) {
    throw new ManagementError('BAD_REQUEST', `a color has at most ${LONGEST_COLOR} characters`);
  }
}

async function requireProject(queries: Queries, project: number | undefined): Promise<void> {
  if (project === undefined) return;
  const found = await queries
    .selectFrom('projects')
    .select('id')
    .where('id', '=', project)
    .where('deleted_at', 'is', null)
    .executeTakeFirst();
  if (found === undefined) throw new ManagementError('NOT_FOUND', `project ${project} not found`);
}

async function refuseName(
  queries: Queries,
  { project, name }: { readonly project: number | undefined; readonly name: string },
): Promise<void> {
  const rows = queries.selectFrom('labels').select('id').where('name', '=', name);
  const some =
    project === undefined ? rows.where('project', 'is', null) : rows.where('project', '=', project);
  if ((await some.executeTakeFirst()) === undefined) return;
  throw new ManagementError('CONFLICT', `label ${name} already exists`);
}

interface Telling {
  readonly actor: Actor;
  readonly operation: 'create' | 'update' | 'delete';
  readonly at: number;
}

async function tell(
  transaction: WriteTransaction,
  { project, name }: Pick<Label, 'project' | 'name'>,
  act: Telling,
): Promise<void> {
  const about = {
    resourceType: 'label',
    resource: name,
    project,
    succeeded: true,
    detail: '',
  } as const;
  await writeAudit(transaction, { ...act, ...about });
}
