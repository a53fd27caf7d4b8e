/** What an operator does with tags of a running node. */
import { z } from 'zod';
import { writeJson } from './execution-text.ts';
import type { NodeApi } from './node-api.ts';
import type { NodeCommand } from './node-arguments.ts';
import type { Streams } from './streams.ts';
import { table } from './table.ts';
import { UsageError } from './usage.ts';

const Move = z.object({
  digest: z.string().optional(),
  previous: z.string().optional(),
  // Told to those alone who may read the project's log.
  actor: z.string().optional(),
  cause: z.string().optional(),
  at: z.string(),
});
const RolledBack = z.object({ digest: z.string(), previous: z.string().optional() });

interface Asked {
  readonly command: NodeCommand;
  readonly api: NodeApi;
  readonly streams: Streams;
}

export async function tagHistory({ command, api, streams: { stdout } }: Asked): Promise<void> {
  const moves = await api.get(`${pathOf(command.subject)}/history`, z.array(Move));
  if (command.isJson) return writeJson(stdout, moves);
  const rows = moves.map(({ at, digest = 'deleted', actor = '', cause = '' }) => [
    at,
    digest,
    actor,
    cause,
  ]);
  stdout.write(table(['AT', 'POINTED TO', 'BY', 'BECAUSE OF'], rows));
}

export async function rollBackTag({ command, api, streams: { stdout } }: Asked): Promise<void> {
  const { subject, to, isJson } = command;
  const body = to === undefined ? {} : { to };
  const { said } = await api.post(`${pathOf(subject)}/rollback`, RolledBack, body);
  const { digest, previous } = said;
  if (isJson) return writeJson(stdout, { digest, previous });
  const before = previous === undefined ? '' : `, and no more to ${previous}`;
  stdout.write(`${subject} points to ${digest}${before}.\n`);
}

/** @throws UsageError where it is no `project/repository:tag` */
function pathOf(subject: string): string {
  const [, project, repository, tag] = /^([^/:]+)\/([^:]+):([^/:]+)$/.exec(subject) ?? [];
  if (project === undefined || repository === undefined || tag === undefined) {
    throw new UsageError(`${subject} is not of the form project/repository:tag`);
  }
  // Twice, as Harbor's clients send it, so that no proxy in between takes its slashes for the path's.
  const encoded = encodeURIComponent(encodeURIComponent(repository));
  return `/projects/${encodeURIComponent(project)}/repositories/${encoded}/tags/${encodeURIComponent(tag)}`;
}
