import { z } from 'zod';
import { timeJson } from './json.ts';
import { type OwnRoute, ownRoute } from './own-route.ts';

/** How far the destinations of a policy are behind its source, as far as this node knows. */
interface Lag {
  readonly artifacts: number;
  readonly unread: number;
  /** Bytes. */
  readonly bytes: number;
  readonly tasks: number;
  readonly seconds: number | undefined;
  /** Milliseconds UTC. */
  readonly lastSuccessAt: number | undefined;
}

/** What this route needs of the node. */
export interface ReplicationLag {
  /** @throws ManagementError NOT_FOUND */
  of(policy: number): Promise<Lag>;
}

const Count = z.int().min(0);
const LagJson = z.object({
  artifacts: Count.meta({
    description:
      'Tags and manifests that are known to be due, or to be deleted, and are not there yet: those of executions that are not over, and with `unread`. What a run has not listed yet is not known, and what failed is not counted.',
  }),
  unread: Count.meta({
    description:
      'Of a policy that events trigger: pushes, deletions or arrivals that were not looked at yet, whatever policy they are about. 0 for others.',
  }),
  bytes: Count.meta({
    description:
      'Of blobs that are known to be missing there, less what was moved of them in the attempt that is under way.',
  }),
  tasks: Count.meta({ description: 'Tasks of executions that are not over, of whatever kind.' }),
  seconds: z.number().min(0).optional().meta({
    description:
      'Of a policy that events trigger: how long ago the oldest event was that is not carried out yet; 0 where all are. Of others: how long ago the last run began that succeeded, since what was there then is copied; left out where none has.',
  }),
  lastSuccessAt: z.iso.datetime().optional().meta({
    description: 'When the last run of all that the policy selects began, of those that succeeded.',
  }),
});

export function replicationLagRoutes(lag: ReplicationLag): readonly OwnRoute[] {
  return [
    ownRoute({
      operation: 'getLag',
      described: {
        summary: 'How far behind the destinations of a policy are.',
        answer: LagJson,
      },
      method: 'GET',
      path: '/replication/policies/{id}/lag',
      permission: { system: 'replication-policy:read' },
      answers: [200, 401, 403, 404],
      async handle({ id }) {
        const { lastSuccessAt, ...rest } = await lag.of(id('id'));
        const at = lastSuccessAt === undefined ? {} : { lastSuccessAt: timeJson(lastSuccessAt) };
        return { json: { ...rest, ...at } };
      },
    }),
  ];
}
