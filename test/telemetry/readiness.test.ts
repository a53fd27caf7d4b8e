import assert from 'node:assert/strict';
import { describe, it, mock } from 'node:test';
import { readiness } from '../../src/telemetry/readiness.ts';

describe('/readyz', () => {
  it('is ready when every check is', async () => {
    assert.deepEqual(
      await readiness({ database: () => undefined, storage: async () => undefined }),
      {
        isReady: true,
        checks: { database: 'ok', storage: 'ok' },
      },
    );
  });

  it('says which check is not, and why', async () => {
    assert.deepEqual(await readiness({ database: () => undefined, node: () => 'stopping' }), {
      isReady: false,
      checks: { database: 'ok', node: 'stopping' },
    });
  });

  it('takes a check that throws for a reason, without its words', async () => {
    const answer = await readiness({
      storage: async () => {
        throw new RangeError('/var/lib/secret-place');
      },
    });

    assert.deepEqual(answer, { isReady: false, checks: { storage: 'failed (RangeError)' } });
  });

  it('does not wait for a check that hangs', async () => {
    mock.timers.enable({ apis: ['setTimeout'] });
    const pending = readiness({ storage: () => Promise.withResolvers<undefined>().promise });

    mock.timers.tick(2_000);

    assert.deepEqual((await pending).checks, { storage: 'no answer in 2000 ms' });
    mock.timers.reset();
  });
});
