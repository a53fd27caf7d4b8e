import { z } from 'zod';
import { may } from '../../../policies/access.ts';
import { type Digest, isDigest } from '../../oci/digest.ts';
import { timeJson } from './json.ts';
import { type OwnRoute, ownProjectRoute } from './own-route.ts';
import type { Actor, ProjectRequest } from './route.ts';

/** One move of a tag. */
interface TagMove {
  /** Undefined: the tag was deleted. */
  readonly digest: string | undefined;
  readonly previous: string | undefined;
  readonly actor: string;
  readonly cause: string;
  /** Milliseconds UTC. */
  readonly at: number;
}

/** What these routes need of the node. @throws OciError, ManagementError */
export interface TagHistory {
  /** Newest first. */
  history(repository: string, tag: string): Promise<readonly TagMove[]>;
  /** To what it pointed to before its last move, or to `to`. */
  rollBack(
    place: { readonly repository: string; readonly tag: string },
    actor: Actor,
    options: { readonly to: Digest | undefined },
  ): Promise<{ readonly digest: string; readonly previous: string | undefined }>;
}

const TAG = '/projects/{project_name}/repositories/{repository_name}/tags/{tag_name}';

const RollBack = z.strictObject({ to: z.string().refine(isDigest, 'no digest').optional() });
const RolledBack = z.object({ digest: z.string(), previous: z.string().optional() });
const MoveJson = z.object({
  digest: z.string().optional(),
  previous: z.string().optional(),
  actor: z.string().optional().meta({ description: 'For those who may `log:list` the project.' }),
  cause: z.string().optional().meta({ description: 'For those who may `log:list` the project.' }),
  at: z.iso.datetime(),
});

/** What tags pointed to before, and back to it. Below `/api/portolan/v1`. */
export function tagHistoryRoutes(tags: TagHistory): readonly OwnRoute[] {
  return [listMoves(tags), rollBackTag(tags)];
}

const listMoves = (tags: TagHistory): OwnRoute =>
  ownProjectRoute({
    operation: 'listTagMoves',
    described: {
      summary:
        'What a tag pointed to, the newest first; who moved it, for those who may read the log.',
      answer: z.array(MoveJson),
    },
    method: 'GET',
    path: `${TAG}/history`,
    permission: { project: 'tag:list' },
    answers: [200, 401, 403, 404],
    async handle(request) {
      const { repository, tag } = placeOf(request);
      const moves = await tags.history(repository, tag);
      const isTold = may(request.caller, 'log:list', request.project);
      return { json: moves.map((move) => moveJson(move, { isTold })) };
    },
  });

const rollBackTag = (tags: TagHistory): OwnRoute =>
  ownProjectRoute({
    operation: 'rollBackTag',
    described: {
      summary:
        'Points a tag to what it pointed to before its last move, or to what it once pointed to.',
      body: RollBack,
      answer: RolledBack,
    },
    method: 'POST',
    path: `${TAG}/rollback`,
    permission: { project: 'tag:create' },
    answers: [200, 400, 401, 403, 404, 405, 412],
    async handle(request) {
      const { to } = await request.json(RollBack);
      return { json: await tags.rollBack(placeOf(request), request.actor, { to }) };
    },
  });

/** Who did what in a project is its log's. */
function moveJson(
  { actor, cause, at, ...move }: TagMove,
  { isTold }: { readonly isTold: boolean },
): object {
  return { ...move, ...(isTold ? { actor, cause } : {}), at: timeJson(at) };
}

function placeOf({ project, text }: ProjectRequest) {
  return { repository: `${project.name}/${text('repository_name')}`, tag: text('tag_name') };
}
