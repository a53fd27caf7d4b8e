import { z } from 'zod';
import type { Listed, ListQuery } from './list-query.ts';
import { type OwnRoute, ownRoute } from './own-route.ts';

/** What a run would do about one tag, or one manifest, at one destination; or what became of looking for that. */
interface Finding {
  readonly action: 'copy' | 'skip' | 'delete' | 'look' | 'fail' | 'pending';
  readonly repository?: string | undefined;
  readonly tag?: string | undefined;
  readonly digest?: string | undefined;
  readonly destination?: { readonly endpoint: string; readonly repository: string } | undefined;
  readonly bytes?: number | undefined;
  readonly blobs?: number | undefined;
  readonly why?: string | undefined;
}

/** Of all findings by now. */
interface FindingTotal {
  readonly copy: number;
  readonly skip: number;
  readonly delete: number;
  readonly fail: number;
  readonly bytes: number;
  readonly blobs: number;
}

/** What these routes need of the node. @throws ManagementError */
export interface DryRuns {
  /** PRECONDITION where the policy is switched off. */
  start(policy: number, operator: string): Promise<{ readonly id: number }>;
  /** PRECONDITION where the execution is no dry run. */
  findings(execution: number, page: Pick<ListQuery, 'offset' | 'limit'>): Promise<Listed<Finding>>;
  total(execution: number): Promise<FindingTotal>;
}

const DRY_RUN = '/replication/executions/{id}/dry-run';

const FindingJson = z.object({
  action: z.enum(['copy', 'skip', 'delete', 'look', 'fail', 'pending']),
  repository: z.string().optional(),
  tag: z.string().optional(),
  digest: z.string().optional(),
  destination: z.object({ endpoint: z.string(), repository: z.string() }).optional(),
  bytes: z.int().min(0).optional(),
  blobs: z.int().min(0).optional(),
  why: z.string().optional(),
});
const TotalJson = z.object({
  copy: z.int(),
  skip: z.int(),
  delete: z.int(),
  fail: z.int(),
  bytes: z.int(),
  blobs: z.int(),
});

/** What policies would do, while nothing changes anywhere. Below `/api/portolan/v1`. */
export function dryRunRoutes(dryRuns: DryRuns): readonly OwnRoute[] {
  return [startDryRun(dryRuns), listFindings(dryRuns), getTotal(dryRuns)];
}

const startDryRun = (dryRuns: DryRuns): OwnRoute =>
  ownRoute({
    operation: 'startDryRun',
    described: { summary: 'Finds out what a policy would do, and changes nothing.' },
    method: 'POST',
    path: '/replication/policies/{id}/dry-run',
    permission: { system: 'replication:create' },
    answers: [201, 401, 403, 404, 412],
    async handle({ id, actor }) {
      const execution = await dryRuns.start(id('id'), actor.name);
      return { location: `/replication/executions/${execution.id}` };
    },
  });

const listFindings = (dryRuns: DryRuns): OwnRoute =>
  ownRoute({
    operation: 'listFindings',
    described: {
      summary: 'What the policy would do, by tag and destination.',
      answer: z.array(FindingJson),
      fields: [],
    },
    method: 'GET',
    path: DRY_RUN,
    permission: { system: 'replication:list' },
    answers: [200, 400, 401, 403, 404, 412],
    async handle({ id, list }) {
      const { items, total } = await dryRuns.findings(id('id'), list({}));
      return { json: items, total };
    },
  });

const getTotal = (dryRuns: DryRuns): OwnRoute =>
  ownRoute({
    operation: 'getFindingTotal',
    described: { summary: 'What it would do, in all.', answer: TotalJson },
    method: 'GET',
    path: `${DRY_RUN}/total`,
    permission: { system: 'replication:read' },
    answers: [200, 401, 403, 404, 412],
    handle: async ({ id }) => ({ json: await dryRuns.total(id('id')) }),
  });
