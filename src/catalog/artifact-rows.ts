import { type ExpressionBuilder, type ExpressionWrapper, type SqlBool, sql } from 'kysely';
import type { Queries } from '../database/database.ts';
import type { Filter } from '../database/listing.ts';
import type { Tables } from '../database/tables.ts';
import { OciError } from '../oci/error.ts';
import { ManagementError } from '../oci/management-error.ts';
import type { Reference } from '../oci/reference.ts';
import { isOfType } from './artifact-types.ts';
import { requireRepository } from './repositories.ts';

type ManifestsIn = ExpressionBuilder<Tables, 'manifests' | 'repositories'>;
type Condition = ExpressionWrapper<Tables, 'manifests' | 'repositories', SqlBool>;

/** Where an artifact is, and as what. */
export interface ArtifactPlace {
  /** With its project. */
  readonly repository: string;
  readonly reference: Reference;
}

export type ArtifactRow = Awaited<
  ReturnType<ReturnType<typeof artifactRows>['executeTakeFirstOrThrow']>
>;

/** The manifests of projects that are there, with the names of their repositories. */
export function artifactRows(queries: Queries) {
  return queries
    .selectFrom('manifests')
    .innerJoin('repositories', 'repositories.id', 'manifests.repository')
    .select([
      'manifests.id',
      'manifests.digest',
      'manifests.media_type',
      'manifests.artifact_type',
      'manifests.subject',
      'manifests.size',
      'manifests.ownership',
      'manifests.pushed_at',
      'manifests.pulled_at',
      'manifests.repository',
      'repositories.name',
      'repositories.project',
    ]);
}

/** @throws OciError NAME_UNKNOWN, MANIFEST_UNKNOWN */
export async function requireArtifact(
  queries: Queries,
  name: string,
  reference: Reference,
): Promise<ArtifactRow> {
  const repository = await requireRepository(queries, name);
  const rows = artifactRows(queries).where('manifests.repository', '=', repository.id);
  const row = await (reference.kind === 'digest'
    ? rows.where('manifests.digest', '=', reference.digest)
    : rows.where('manifests.digest', 'in', (query) =>
        query
          .selectFrom('tags')
          .select('tags.digest')
          .where('tags.repository', '=', repository.id)
          .where('tags.name', '=', reference.tag),
      )
  ).executeTakeFirst();
  if (row === undefined) throw new OciError('MANIFEST_UNKNOWN', { detail: reference });
  return row;
}

/** Whether a list has it by itself: a child without a tag is seen with its index, and what has a subject with that. */
export function isShown(is: ManifestsIn): Condition {
  const parent = is
    .selectFrom('manifest_references')
    .innerJoin('manifests as parent', 'parent.id', 'manifest_references.manifest')
    .select('parent.id')
    .whereRef('manifest_references.digest', '=', 'manifests.digest')
    .whereRef('parent.repository', '=', 'manifests.repository');
  const subject = is
    .selectFrom('manifests as subject')
    .select('subject.id')
    .whereRef('subject.repository', '=', 'manifests.repository')
    .whereRef('subject.digest', '=', 'manifests.subject');
  const isChild = is.and([is.exists(parent), is.not(is.exists(tagsOf(is)))]);
  return is.not(is.or([is.exists(subject), isChild]));
}

/** What a filter means that compares no column; undefined for those that do. @throws ManagementError BAD_REQUEST */
export function conditionOf(filter: Filter, is: ManifestsIn): Condition | undefined {
  if (filter.field === 'tags') return isTagged(filter, is);
  if (filter.field === 'labels') return isLabelled(filter, is);
  if (filter.field !== 'type' || filter.kind === 'range') return undefined;
  const values = 'values' in filter ? filter.values : [filter.value];
  const conditions = values.map((value) => isOfType(value));
  return filter.kind === 'all' ? is.and(conditions) : is.or(conditions);
}

function tagsOf(is: ManifestsIn) {
  return is
    .selectFrom('tags')
    .select('tags.id')
    .whereRef('tags.repository', '=', 'manifests.repository')
    .whereRef('tags.digest', '=', 'manifests.digest');
}

/** Harbor writes `*` for any tag and `nil` for none. */
function isTagged(filter: Filter, is: ManifestsIn): Condition | undefined {
  if (filter.kind === 'range') return undefined;
  if (filter.kind === 'fuzzy') {
    const pattern = `%${filter.value.replace(/[\\%_]/g, '\\$&')}%`;
    const isLike = sql<SqlBool>`lower(tags.name) like lower(${pattern}) escape '\\'`;
    return is.exists(tagsOf(is).where(isLike));
  }
  const names = 'values' in filter ? filter.values : [filter.value];
  const conditions = names.map((name) => {
    if (name === 'nil') return is.not(is.exists(tagsOf(is)));
    return is.exists(name === '*' ? tagsOf(is) : tagsOf(is).where('tags.name', '=', name));
  });
  return filter.kind === 'all' ? is.and(conditions) : is.or(conditions);
}

function isLabelled(filter: Filter, is: ManifestsIn): Condition | undefined {
  if (filter.kind === 'range') return undefined;
  const ids = ('values' in filter ? filter.values : [filter.value]).map((text) => {
    if (/^\d{1,15}$/.test(text)) return Number(text);
    throw new ManagementError('BAD_REQUEST', `${JSON.stringify(text)} is no id of a label`);
  });
  const conditions = ids.map((id) =>
    is.exists(
      is
        .selectFrom('manifest_labels')
        .select('manifest_labels.label')
        .whereRef('manifest_labels.manifest', '=', 'manifests.id')
        .where('manifest_labels.label', '=', id),
    ),
  );
  return filter.kind === 'any' ? is.or(conditions) : is.and(conditions);
}
