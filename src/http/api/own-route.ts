import type { ZodType } from 'zod';
import { type ApiRoute, projectRoute, route } from './route.ts';

/** What clients are told of an operation, beside what serves it: the document is made of it. */
export interface Described {
  /** One sentence. */
  readonly summary: string;
  /** The JSON of a success; left out where it has none. */
  readonly answer?: ZodType;
  /** The JSON of a request, by which `handle` reads it. */
  readonly body?: ZodType;
  /** Of a list: by what it is filtered and sorted. */
  readonly fields?: readonly string[];
  /** Those of them by which it is filtered alone. */
  readonly unsorted?: readonly string[];
  /** Of a success that is no JSON. */
  readonly mediaType?: 'text/plain' | 'text/event-stream';
}

/** An operation of the node's own API, which no contract describes but this one. */
export interface OwnRoute extends ApiRoute {
  readonly described: Described;
}

export function ownRoute({
  described,
  ...definition
}: Parameters<typeof route>[0] & { readonly described: Described }): OwnRoute {
  return { ...route(definition), described };
}

/** On the project that the path names. */
export function ownProjectRoute({
  described,
  ...definition
}: Parameters<typeof projectRoute>[0] & { readonly described: Described }): OwnRoute {
  return { ...projectRoute(definition), described };
}
