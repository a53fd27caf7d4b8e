import type { ZodType } from 'zod';
import type { ProjectPermission } from '../../../policies/access.ts';
import type { Caller } from '../../access/caller.ts';
import type { ServerEvents } from './event-stream.ts';
import type { Gate, Permission, Project } from './gate.ts';
import type { ListQuery } from './list-query.ts';

/** Who did it, as the audit tells it. */
export interface Actor {
  readonly name: string;
  readonly address: string;
}

/** A request, as far as an answer depends on it. */
export interface ApiRequest {
  readonly caller: Caller;
  readonly actor: Actor;
  /** A part of the path. */
  readonly text: (name: string) => string;
  /** A part of the path that is a row's id. @throws ManagementError NOT_FOUND where it is no number */
  readonly id: (name: string) => number;
  /** A parameter behind the `?`; undefined where it is missing or empty. */
  readonly query: (name: string) => string | undefined;
  /** @throws ManagementError BAD_REQUEST for what is neither true nor false */
  readonly flag: (name: string) => boolean | undefined;
  /**
   * What the client wants of a list.
   *
   * @param fields our names by the API's; filters and sorts by others are ignored
   * @throws ManagementError BAD_REQUEST
   */
  readonly list: (fields: Readonly<Record<string, string>>) => ListQuery;
  /** The body, once it is what the schema says. @throws ManagementError BAD_REQUEST, RequestError 413 */
  readonly json: <T>(schema: ZodType<T>) => Promise<T>;
  /** A flag of the header, e.g. `X-Resource-Name-In-Location`. */
  readonly header: (name: string) => boolean;
  /** The id of the last event that a client of a stream has seen. */
  readonly lastEventId: string | undefined;
  /** By which the client came: `https://host:port`. */
  readonly origin: string;
  /** Aborts when the client goes away. */
  readonly signal: AbortSignal;
}

export interface ProjectRequest extends ApiRequest {
  readonly project: Project;
}

/** The status is the route's own. */
export interface ApiAnswer {
  readonly json?: unknown;
  readonly text?: string;
  /** Sent as they come, until there are no more or the client leaves. */
  readonly events?: ServerEvents;
  /** Of events: asked again while they go on. @throws ManagementError UNAUTHORIZED, FORBIDDEN */
  readonly mayStill?: (caller: Caller) => Promise<void>;
  /** Below `/api/v2.0`, of what was created. */
  readonly location?: string;
  /** Of a list: all that match, on whichever page. */
  readonly total?: number;
}

/** Done, and there is nothing to tell. */
export const DONE: ApiAnswer = {};

interface Definition<Needed extends Permission, Request> {
  /** In the contract. */
  readonly operation: string;
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Below `/api/v2.0`, as the contract writes it: `/users/{user_id}`. */
  readonly path: `/${string}`;
  readonly permission: Needed;
  /**
   * The statuses that the contract declares, success first and 500 left out. Clients made from it take any other for a
   * failure of their own, so a refusal goes out as the nearest of these.
   */
  readonly answers: readonly [success: number, ...refusals: number[]];
  /** Refusals that Harbor sends though the contract does not declare them, where clients rely on them. */
  readonly undeclared?: readonly number[];
  readonly handle: (request: Request) => ApiAnswer | Promise<ApiAnswer>;
}

/** An operation that asks for permission by itself. */
export interface ApiRoute extends Omit<Definition<Permission, never>, 'handle'> {
  /** @throws ManagementError, and what the services throw */
  serve(request: ApiRequest, gate: Gate): Promise<ApiAnswer>;
}

/** An operation on the node, or on what everybody has. */
export function route({
  handle,
  ...definition
}: Definition<
  Exclude<Permission, { readonly project: unknown } | { readonly either: unknown }>,
  ApiRequest
>): ApiRoute {
  return {
    ...definition,
    async serve(request, gate) {
      const mayStill = (caller: Caller): Promise<void> =>
        gate.pass({ ...request, caller }, definition.permission);
      await mayStill(request.caller);
      const answer = await handle(request);
      return answer.events === undefined ? answer : { ...answer, mayStill };
    },
  };
}

/** An operation on the project that the path names. */
export function projectRoute({
  handle,
  ...definition
}: Definition<{ readonly project: ProjectPermission }, ProjectRequest>): ApiRoute {
  return {
    ...definition,
    async serve(request, gate) {
      const { permission, answers, path } = definition;
      const isByName = path.includes('{project_name}');
      const reference = request.text(isByName ? 'project_name' : 'project_name_or_id');
      const isName = isByName || request.header('X-Is-Resource-Name') || !isId(reference);
      const project = await gate.project(request, permission.project, {
        reference,
        isName,
        isForbidden: answers.includes(403),
      });
      return handle({ ...request, project });
    },
  };
}

/** An operation on something that belongs to a project or to the node. */
export function scopedRoute({
  handle,
  scope,
  ...definition
}: Definition<Extract<Permission, { readonly either: unknown }>, ApiRequest> & {
  /** The project's id; undefined for the node. @throws ManagementError NOT_FOUND, BAD_REQUEST */
  readonly scope: (request: ApiRequest) => Promise<number | undefined>;
}): ApiRoute {
  return {
    ...definition,
    async serve(request, gate) {
      // What is public may be read by anybody; who is nobody is not told what there is to change.
      if (definition.method !== 'GET') await gate.pass(request, 'signed-in');
      const scoped = await scope(request).catch(async (error: unknown) => {
        await gate.pass(request, 'signed-in');
        throw error;
      });
      await gate.either(request, definition.permission, scoped);
      return handle(request);
    },
  };
}

/** Whether the text may be a row's id. */
export function isId(text: string): boolean {
  return /^\d{1,15}$/.test(text);
}
