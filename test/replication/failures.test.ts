import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PullsReserved, UpstreamUnavailable } from '../../src/registry/errors.ts';
import { StatusError } from '../../src/registry/retry.ts';
import { failureOf } from '../../src/replication/failures.ts';

const HOST = 'hub.example';

describe('what a task is told of a registry that answered 503', () => {
  it('is for how long to leave it alone, as it said, or 5 s', () => {
    const told = [away(60), away()].map(facts);

    assert.deepEqual(told, [
      { kind: 'away', host: HOST, retryAfterMs: 60_000 },
      { kind: 'away', host: HOST, retryAfterMs: 5_000 },
    ]);
  });

  it('is to look again soon where it was not asked now, however long it said then', () => {
    const told = facts(shut(away(60)));

    assert.deepEqual(told, {
      kind: 'throttled',
      host: HOST,
      retryAfterMs: 5_000,
      isHearsay: true,
    });
  });

  it('is nothing of the kind where it was another answer', () => {
    const cause = new UpstreamUnavailable(HOST, 'server-error', {
      cause: new StatusError(500, 60),
    });

    const told = facts(shut(cause));

    assert.deepEqual(told, { kind: 'transient', host: HOST });
  });
});

describe('what a task is told of pulls that are reserved', () => {
  it('is to try again later, and to leave what else goes to the host alone', () => {
    const { reason: _, ...told } = failureOf(new PullsReserved(HOST, 'gives no more', 60_000));

    assert.deepEqual(told, { kind: 'throttled', retryAfterMs: 60_000 });
  });

  it('is to give up where there never are others', () => {
    const { kind } = failureOf(new PullsReserved(HOST, 'gives 3 pulls in all'));

    assert.equal(kind, 'permanent');
  });
});

function away(retryAfterSeconds?: number): UpstreamUnavailable {
  const cause = new StatusError(503, retryAfterSeconds);
  return new UpstreamUnavailable(HOST, 'server-error', { cause });
}

function shut(cause: unknown): UpstreamUnavailable {
  return new UpstreamUnavailable(HOST, 'circuit-open', { cause });
}

function facts(error: unknown) {
  const { reason, ...told } = failureOf(error);
  assert.match(reason, /^registry hub\.example is unavailable/);
  return told;
}
