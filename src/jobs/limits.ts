import { RETRY_RULES, type RetryRules } from './failing.ts';
import type { RetentionRules } from './retention.ts';

export interface JobLimits {
  /** Tasks at once in this process. */
  readonly workers: number;
  /** Tasks at once that load one host, over all processes. */
  readonly perHost: number;
  /** A process that says nothing for so long loses its tasks. */
  readonly leaseMs: number;
  /** How long what another process added waits at most. */
  readonly pollMs: number;
  /** Progress and logs are written that often, and sooner where a task moved that many bytes. */
  readonly progressMs: number;
  readonly progressBytes: number;
  /** When the node stops: how long tasks may go on to their end, and then how long those that are told to end are waited for. */
  readonly graceMs: number;
  readonly shutdownMs: number;
  readonly retry: RetryRules;
  readonly retention: RetentionRules;
}

export const LIMITS: JobLimits = {
  // Small artifacts over a line with a round trip of 50 ms: half as many leave a fifth of 100 Mbit/s unused (docs/performance.md 10).
  workers: 64,
  perHost: 32,
  leaseMs: 60_000,
  pollMs: 1_000,
  progressMs: 2_000,
  progressBytes: 64 * 2 ** 20,
  graceMs: 1_000,
  shutdownMs: 10_000,
  retry: RETRY_RULES,
  retention: { newest: 100, maxAgeMs: 30 * 24 * 60 * 60_000 },
};
