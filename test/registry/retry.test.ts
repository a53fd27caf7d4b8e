import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  UpstreamDenied,
  UpstreamThrottled,
  UpstreamUnavailable,
} from '../../src/registry/errors.ts';
import { DEFAULT_LIMITS } from '../../src/registry/limits.ts';
import { parseRetryAfter, pauseBeforeRetryMs, StatusError } from '../../src/registry/retry.ts';

const limits = { ...DEFAULT_LIMITS, attempts: 4, pauseMs: 100, longestPauseMs: 300 };
const failed = (code: string) =>
  new UpstreamUnavailable('h', 'unreachable', { cause: Object.assign(new Error(code), { code }) });
const answered = (status: number, after?: number) =>
  new UpstreamUnavailable('h', 'server-error', { cause: new StatusError(status, after) });

const rows: readonly { error: Error; attempt: number; random: number; pauseMs?: number }[] = [
  { error: failed('ECONNRESET'), attempt: 1, random: 1, pauseMs: 100 },
  { error: failed('ECONNRESET'), attempt: 2, random: 1, pauseMs: 200 },
  { error: failed('ECONNRESET'), attempt: 3, random: 1, pauseMs: 300 },
  { error: failed('ECONNRESET'), attempt: 3, random: 0.5, pauseMs: 150 },
  { error: failed('ECONNRESET'), attempt: 3, random: 0, pauseMs: 0 },
  { error: failed('ECONNRESET'), attempt: 4, random: 1 },
  { error: failed('ENOTFOUND'), attempt: 1, random: 1 },
  { error: failed('CERT_HAS_EXPIRED'), attempt: 1, random: 1 },
  { error: new UpstreamUnavailable('h', 'timeout'), attempt: 1, random: 1 },
  { error: new UpstreamUnavailable('h', 'circuit-open'), attempt: 1, random: 1 },
  { error: answered(503), attempt: 1, random: 1, pauseMs: 100 },
  { error: answered(501), attempt: 1, random: 1 },
  { error: answered(503, 0.2), attempt: 1, random: 1, pauseMs: 200 },
  { error: answered(503, 60), attempt: 1, random: 1 },
  { error: new UpstreamThrottled('h', 1), attempt: 1, random: 1 },
  { error: new UpstreamDenied('h', 401), attempt: 1, random: 1 },
];

describe('whether a request is worth another attempt', () => {
  for (const { error, attempt, random, pauseMs } of rows) {
    const cause = error.cause instanceof Error ? ` (${error.cause.message})` : '';
    const verdict = pauseMs === undefined ? 'no' : `after ${pauseMs} ms`;
    it(`${error.message}${cause}, attempt ${attempt}, jitter ${random}: ${verdict}`, () => {
      assert.equal(pauseBeforeRetryMs(error, attempt, limits, random), pauseMs);
    });
  }
});

describe('reading Retry-After', () => {
  const now = Date.parse('Sat, 21 Nov 2026 10:00:00 GMT');
  const headers: readonly [string | undefined, number | undefined][] = [
    ['120', 120],
    [' 0 ', 0],
    ['Sat, 21 Nov 2026 10:01:30 GMT', 90],
    ['Sat, 21 Nov 2026 09:00:00 GMT', 0],
    ['soon', undefined],
    ['-5', undefined],
    ['', undefined],
    [undefined, undefined],
  ];
  for (const [header, seconds] of headers) {
    it(`takes "${header}" for ${seconds}`, () => {
      assert.equal(parseRetryAfter(header, now), seconds);
    });
  }
});
