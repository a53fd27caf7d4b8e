import {
  type RawBuilder,
  type SelectQueryBuilder,
  type SqlBool,
  type StringReference,
  sql,
} from 'kysely';
import { ManagementError } from '../oci/management-error.ts';

export type Filter =
  | { readonly field: string; readonly kind: 'exact' | 'fuzzy'; readonly value: string }
  | {
      readonly field: string;
      readonly kind: 'range';
      readonly min?: string | undefined;
      readonly max?: string | undefined;
    }
  | { readonly field: string; readonly kind: 'any' | 'all'; readonly values: readonly string[] };

/** A list as a client asks for it (Harbor's `q`, `sort`, `page` and `page_size`). */
export interface ListQuery {
  readonly filters: readonly Filter[];
  readonly sort: readonly { readonly field: string; readonly descending: boolean }[];
  readonly offset: number;
  /** Undefined: all of them. */
  readonly limit: number | undefined;
}

export interface Listed<T> {
  readonly items: readonly T[];
  /** Of all that the filters let through, on whichever page. */
  readonly total: number;
}

/** Everything, in the order that the list has by itself. */
export const EVERYTHING: ListQuery = { filters: [], sort: [], offset: 0, limit: undefined };

/** How a filter's text is compared: `flag` is `true` or `false`, `time` a time in UTC. */
export type FieldKind = 'text' | 'integer' | 'flag' | 'time';

export interface Listing<DB, TB extends keyof DB> {
  /** What may be filtered and sorted by. Other fields are ignored, as Harbor ignores them. */
  readonly fields: Readonly<Record<string, readonly [StringReference<DB, TB>, FieldKind]>>;
  /** For those who ask for none, and between rows that are equal in theirs: a unique column. */
  readonly order: { readonly column: StringReference<DB, TB>; readonly descending: boolean };
}

/** @throws ManagementError BAD_REQUEST for text where a number, a time or a flag is needed */
export async function listPage<DB, TB extends keyof DB, Row>(
  query: SelectQueryBuilder<DB, TB, Row>,
  { filters, sort, offset, limit }: ListQuery,
  { fields, order }: Listing<DB, TB>,
): Promise<Listed<Row>> {
  const fieldOf = (name: string) => (Object.hasOwn(fields, name) ? fields[name] : undefined);
  let rows = query;
  for (const filter of filters) {
    const [column, kind] = fieldOf(filter.field) ?? [];
    if (column === undefined || kind === undefined) continue;
    for (const condition of conditionsOf(filter, column, kind)) rows = rows.where(condition);
  }
  const [counted] = await rows
    .clearSelect()
    .select(sql<number>`count(*)`.as('total'))
    .$castTo<{ total: number }>()
    .execute();

  for (const { field, descending } of sort) {
    const [column] = fieldOf(field) ?? [];
    if (column !== undefined) rows = rows.orderBy(sql.ref(column), descending ? 'desc' : 'asc');
  }
  const items = await rows
    .orderBy(sql.ref(order.column), order.descending ? 'desc' : 'asc')
    // SQLite knows no offset without a limit.
    .limit(limit ?? Number.MAX_SAFE_INTEGER)
    .offset(offset)
    .execute();
  return { items, total: counted?.total ?? 0 };
}

/** What has to hold, all of it. */
function conditionsOf(
  filter: Filter,
  column: string,
  kind: FieldKind,
): readonly RawBuilder<SqlBool>[] {
  const field = sql.ref(column);
  const is = (text: string) => sql<SqlBool>`${field} = ${valueOf(text, kind)}`;
  if ('values' in filter) {
    if (filter.kind === 'all') return filter.values.map(is);
    const values = filter.values.map((text) => valueOf(text, kind));
    return values.length === 0 ? [] : [sql<SqlBool>`${field} in (${sql.join(values)})`];
  }
  if (filter.kind === 'range') {
    const { min, max } = filter;
    return [
      ...(min === undefined ? [] : [sql<SqlBool>`${field} >= ${valueOf(min, kind)}`]),
      ...(max === undefined ? [] : [sql<SqlBool>`${field} <= ${valueOf(max, kind)}`]),
    ];
  }
  if (filter.kind === 'exact' || kind !== 'text') return [is(filter.value)];
  // Harbor's `icontains`: letters of ASCII in either case, as both engines fold them.
  const pattern = `%${escaped(filter.value)}%`;
  return [sql<SqlBool>`lower(${field}) like lower(${pattern}) escape '\\'`];
}

/** `%` and `_` stand for themselves. */
function escaped(text: string): string {
  return text.replace(/[\\%_]/g, '\\$&');
}

function valueOf(text: string, kind: FieldKind): string | number {
  if (kind === 'text') return text;
  if (kind === 'flag' && /^(?:true|false|1|0)$/i.test(text))
    return /^(?:true|1)$/i.test(text) ? 1 : 0;
  if (kind === 'integer' && /^-?\d{1,15}$/.test(text)) return Number(text);
  if (kind === 'time') {
    const at = Date.parse(
      /(?:z|[+-]\d\d:?\d\d)$/i.test(text) ? text : `${text.replace(' ', 'T')}Z`,
    );
    if (!Number.isNaN(at)) return at;
  }
  throw new ManagementError('BAD_REQUEST', `${JSON.stringify(text)} is no ${WORDS[kind]}`);
}

const WORDS = { integer: 'number', flag: 'true or false', time: 'time' } as const;
