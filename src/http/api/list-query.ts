import { ManagementError } from '../../oci/management-error.ts';

export type Filter =
  | { readonly field: string; readonly kind: 'exact' | 'fuzzy'; readonly value: string }
  | {
      readonly field: string;
      readonly kind: 'range';
      readonly min?: string | undefined;
      readonly max?: string | undefined;
    }
  | { readonly field: string; readonly kind: 'any' | 'all'; readonly values: readonly string[] };

/** What a client wants of a list. */
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

/** One parameter of the request by its name. */
export type Parameter = (name: string) => string | undefined;

export interface PageNumber {
  /** From 1. */
  readonly page: number;
  readonly size: number;
}

const DEFAULT_SIZE = 10;
const LARGEST_SIZE = 100;

/**
 * `q`, `sort`, `page` and `page_size` as Harbor's clients write them (harbor v2.13 src/lib/q).
 *
 * @param fields our names by the API's; other fields are ignored
 * @throws ManagementError BAD_REQUEST
 */
export function listQueryOf(
  parameter: Parameter,
  fields: Readonly<Record<string, string>>,
): ListQuery {
  const { page, size } = pageNumberOf(parameter);
  return {
    filters: filtersOf(parameter('q') ?? '').flatMap((filter) => {
      const field = ours(fields, filter.field);
      return field === undefined ? [] : [{ ...filter, field }];
    }),
    sort: (parameter('sort') ?? '').split(',').flatMap((text) => {
      const descending = text.startsWith('-');
      const field = ours(fields, descending ? text.slice(1) : text);
      return field === undefined ? [] : [{ field, descending }];
    }),
    offset: Math.min((page - 1) * size, Number.MAX_SAFE_INTEGER),
    limit: size,
  };
}

/**
 * The contract gives `page` and `page_size` no least value, so what is under 1 is the first page, and as many as there
 * may be on one.
 *
 * @throws ManagementError BAD_REQUEST
 */
export function pageNumberOf(parameter: Parameter): PageNumber {
  const page = integerOf(parameter, 'page') ?? 1;
  const size = integerOf(parameter, 'page_size') ?? DEFAULT_SIZE;
  if (size > LARGEST_SIZE) {
    throw new ManagementError('BAD_REQUEST', `page_size is at most ${LARGEST_SIZE}`);
  }
  return { page: Math.max(1, page), size: size < 1 ? LARGEST_SIZE : size };
}

function ours(fields: Readonly<Record<string, string>>, name: string): string | undefined {
  return Object.hasOwn(fields, name) ? fields[name] : undefined;
}

function integerOf(parameter: Parameter, name: string): number | undefined {
  const text = parameter(name);
  if (text === undefined) return undefined;
  if (!/^-?\d{1,19}$/.test(text)) throw new ManagementError('BAD_REQUEST', `${name} is no number`);
  return Number(text);
}

function filtersOf(q: string): readonly Filter[] {
  return splitAt(',', decoded(q)).flatMap((part) => (part === '' ? [] : [filterOf(part)]));
}

/** Some clients encode the text once more than the URL needs. */
function decoded(q: string): string {
  if (!q.includes('%')) return q;
  try {
    return decodeURIComponent(q);
  } catch {
    return q;
  }
}

function filterOf(part: string): Filter {
  const [, name = '', value = ''] = /^([^=]+)=([\s\S]+)$/.exec(part) ?? [];
  if (name === '') throw new ManagementError('BAD_REQUEST', `q: ${part} is not of the form k=v`);
  const field = name.trim();
  const inner = value.slice(1, -1);
  if (value.startsWith('~')) return { field, kind: 'fuzzy', value: plain(value.slice(1)) };
  if (/^\[.*\]$/s.test(value)) return rangeOf(field, inner);
  if (/^\{.*\}$/s.test(value)) return { field, kind: 'any', values: valuesOf(field, inner) };
  if (/^\(.*\)$/s.test(value)) return { field, kind: 'all', values: valuesOf(field, inner) };
  return { field, kind: 'exact', value: plain(value) };
}

function rangeOf(field: string, text: string): Filter {
  const bounds = splitAt('~', text).map(plain);
  const [min = '', max = ''] = bounds;
  if (bounds.length !== 2 || (min === '' && max === '')) {
    throw new ManagementError('BAD_REQUEST', `q: the range of ${field} is not of the form [a~b]`);
  }
  return {
    field,
    kind: 'range',
    ...(min === '' ? {} : { min }),
    ...(max === '' ? {} : { max }),
  };
}

function valuesOf(field: string, text: string): readonly string[] {
  const values = splitAt(' ', text).flatMap((value) => (value === '' ? [] : [plain(value)]));
  if (values.length > 0) return values;
  throw new ManagementError('BAD_REQUEST', `q: the list of ${field} is empty`);
}

/** Separators behind a backslash do not separate; the backslash stays. */
function splitAt(separator: string, text: string): readonly string[] {
  const parts: string[] = [];
  let part = '';
  for (const character of text.match(/\\?[\s\S]/g) ?? []) {
    if (character === separator) {
      parts.push(part);
      part = '';
    } else part += character;
  }
  return [...parts, part];
}

/** Without quotes around it and backslashes in it. */
function plain(text: string): string {
  const trimmed = text.trim();
  const unquoted = /^(["'])(.*)\1$/s.exec(trimmed)?.[2] ?? trimmed;
  return unquoted.replaceAll(/\\([\s\S])/g, '$1');
}
