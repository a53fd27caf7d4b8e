import type { IncomingHttpHeaders } from 'node:http';
import { budgetSeen } from '../telemetry/channels.ts';

/** Tells what `ratelimit-remaining` and `ratelimit-limit` say (Docker Hub: `76;w=21600`), if they say anything. */
export function publishBudget(endpoint: string, headers: IncomingHttpHeaders): void {
  if (!budgetSeen.hasSubscribers) return;
  const remaining = countOf(headers['ratelimit-remaining']);
  if (remaining === undefined) return;
  budgetSeen.publish({ endpoint, remaining, limit: countOf(headers['ratelimit-limit']) });
}

function countOf(header: string | string[] | undefined): number | undefined {
  const [, digits] = /^\s*(\d{1,15})\s*(?:[;,]|$)/.exec(String(header ?? '')) ?? [];
  return digits === undefined ? undefined : Number(digits);
}
