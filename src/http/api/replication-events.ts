import { z } from 'zod';
import { ManagementError } from '../../oci/management-error.ts';
import type { ServerEvent, ServerEvents } from './event-stream.ts';
import { timeJson } from './json.ts';
import { type OwnRoute, ownRoute } from './own-route.ts';
import { type Execution, executionJson, type Task, taskJson } from './replication-control.ts';

/** How much of an execution somebody has seen. */
interface Seen {
  readonly line: number;
  readonly endedAt: number;
  readonly task: number;
}

type Happening = { readonly seen: Seen } & (
  | { readonly kind: 'log'; readonly task: number; readonly at: number; readonly line: string }
  | { readonly kind: 'task'; readonly task: Task }
  | { readonly kind: 'progress'; readonly execution: Execution; readonly moving: number }
  | { readonly kind: 'ended'; readonly execution: Execution }
);

/** What these routes need of the node. @throws ManagementError NOT_FOUND */
export interface ReplicationEvents {
  /** In batches, at most one a second, until the execution is over. */
  follow(
    execution: number,
    options: { readonly after: Seen | undefined; readonly signal: AbortSignal },
  ): Promise<AsyncIterable<readonly Happening[]>>;
  /** The last lines of a task of that execution, the oldest first. `at` is milliseconds UTC. */
  log(
    execution: number,
    task: number,
  ): Promise<readonly { readonly at: number; readonly line: string }[]>;
}

const EXECUTION = '/replication/executions/{id}';

/** An execution while it runs. Below `/api/portolan/v1`. */
export function replicationEventRoutes(events: ReplicationEvents): readonly OwnRoute[] {
  return [followExecution(events), readLog(events)];
}

const followExecution = (events: ReplicationEvents): OwnRoute =>
  ownRoute({
    operation: 'followExecution',
    described: {
      summary:
        'What happens to an execution from now on, as server-sent events: `progress` (at most one a second), `task` (one that ended), `log` (a line of one) and, at its end, `ended`. A client that comes back sends `Last-Event-ID`.',
      mediaType: 'text/event-stream',
    },
    method: 'GET',
    path: `${EXECUTION}/events`,
    permission: { system: 'replication:read' },
    answers: [200, 400, 401, 403, 404, 429],
    async handle({ id, lastEventId, signal }) {
      const after = lastEventId === undefined ? undefined : seenIn(lastEventId);
      return { events: told(await events.follow(id('id'), { after, signal })) };
    },
  });

const readLog = (events: ReplicationEvents): OwnRoute =>
  ownRoute({
    operation: 'readTaskLog',
    described: {
      summary: 'The last lines that a task logged, each with its time.',
      mediaType: 'text/plain',
    },
    method: 'GET',
    path: `${EXECUTION}/tasks/{task_id}/log`,
    permission: { system: 'replication:read' },
    answers: [200, 401, 403, 404],
    async handle({ id }) {
      const lines = await events.log(id('id'), id('task_id'));
      return { text: lines.map(({ at, line }) => `${timeJson(at)} ${line}\n`).join('') };
    },
  });

async function* told(batches: AsyncIterable<readonly Happening[]>): ServerEvents {
  for await (const batch of batches) yield batch.map(eventOf);
}

function eventOf({ seen, ...happening }: Happening): ServerEvent {
  return {
    id: `${seen.line}.${seen.endedAt}.${seen.task}`,
    event: happening.kind,
    data: dataOf(happening),
  };
}

type Told = Happening extends infer Each
  ? Each extends Happening
    ? Omit<Each, 'seen'>
    : never
  : never;

function dataOf(happening: Told): unknown {
  if (happening.kind === 'task') return taskJson(happening.task);
  if (happening.kind === 'log') {
    return { task: happening.task, at: timeJson(happening.at), line: happening.line };
  }
  const execution = executionJson(happening.execution);
  return happening.kind === 'ended' ? execution : { ...execution, moving: happening.moving };
}

const SeenNumbers = z.tuple([z.coerce.number(), z.coerce.number(), z.coerce.number()]);

/** @throws ManagementError BAD_REQUEST for what was never an event's id */
function seenIn(id: string): Seen {
  if (!/^\d{1,15}\.\d{1,15}\.\d{1,15}$/.test(id)) {
    throw new ManagementError('BAD_REQUEST', `Last-Event-ID ${id} is of no event`);
  }
  const [line, endedAt, task] = SeenNumbers.parse(id.split('.'));
  return { line, endedAt, task };
}
