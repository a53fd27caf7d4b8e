import { OciError } from '../oci/error.ts';
import type { Context } from './context.ts';
import { RequestError } from './request-error.ts';

/**
 * A parameter that may be given once.
 *
 * @throws RequestError 400 when it is given more often, which two readers might understand differently
 */
export function queryOf(ctx: Context, name: string): string | undefined {
  // The common request has no query: an object for it would be made and thrown away each time.
  if (ctx.search === '') return undefined;
  const value = ctx.query[name];
  if (Array.isArray(value)) {
    throw new RequestError(400, 'UNSUPPORTED', { message: `${name} is given more than once` });
  }
  return value;
}

/** A parameter that may be repeated; empty ones count. */
export function queryListOf(ctx: Context, name: string): readonly string[] {
  const value = ctx.query[name];
  if (value === undefined) return [];
  return Array.isArray(value) ? value : [value];
}

/** Part of a list, as the client asked for it (distribution-spec v1.1.1 "Listing Tags"). */
export interface Page {
  /** Only what comes after it, whether it exists or not. */
  readonly last: string | undefined;
  readonly limit: number | undefined;
}

/**
 * @param most longer pages are cut to this, which the client learns from `Link`
 * @throws OciError PAGINATION_NUMBER_INVALID
 */
export function pageOf(ctx: Context, most: number): Page {
  const n = queryOf(ctx, 'n');
  const last = queryOf(ctx, 'last');
  if (n !== undefined && !/^[0-9]+$/.test(n)) {
    throw new OciError('PAGINATION_NUMBER_INVALID', { detail: n });
  }
  return {
    last: last === '' ? undefined : last,
    limit: n === undefined ? undefined : Math.min(Number(n), most),
  };
}
