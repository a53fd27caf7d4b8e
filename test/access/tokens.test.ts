import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Account } from '../../src/access/accounts.ts';
import { ANONYMOUS, type Caller, type Grant } from '../../src/access/caller.ts';
import { createTokens } from '../../src/access/tokens.ts';

const ALICE: Caller = {
  name: 'alice',
  id: 2,
  isAdmin: true,
  isAnonymous: false,
  roles: new Map(),
};
const GRANTS: readonly Grant[] = [{ type: 'repository', name: 'local/app', actions: ['pull'] }];
const AT = Date.UTC(2026, 10, 21);
const REFUSED = { code: 'UNAUTHORIZED' };

describe('a token of this node', () => {
  it('says who its caller is and what it allows', async () => {
    const { tokens } = await world();

    const alice = await tokens.issue(ALICE, GRANTS);
    const nobody = await tokens.issue(ANONYMOUS, []);

    assert.deepEqual(await tokens.verify(alice.token), { ...ALICE, grants: GRANTS });
    assert.deepEqual(await tokens.verify(nobody.token), { ...ANONYMOUS, grants: [] });
  });

  it('ends after five minutes, and a minute later for clients whose clock is behind', async () => {
    const { tokens, clock } = await world();
    const { token, expiresInSeconds } = await tokens.issue(ALICE, []);

    assert.equal(expiresInSeconds, 300);
    for (const seconds of [0, 299, 359]) {
      clock.now = AT + seconds * 1000;
      assert.equal((await tokens.verify(token)).name, 'alice');
    }
    clock.now = AT + 360_000;
    await assert.rejects(tokens.verify(token), REFUSED);
  });

  it('is looked at anew once nothing remembers it, with the same result', async () => {
    const { tokens, clock } = await world();
    const { token } = await tokens.issue(ALICE, []);

    clock.now = AT + 359_000;

    assert.equal((await tokens.verify(token)).name, 'alice');
  });

  it('ends with its user, and loses the rights that its user loses', async () => {
    const { tokens, accounts } = await world();
    const { token } = await tokens.issue(ALICE, []);

    accounts.set('alice', accountOf({ ...ALICE, isAdmin: false }));
    assert.equal((await tokens.verify(token)).isAdmin, false);

    accounts.delete('alice');
    await assert.rejects(tokens.verify(token), REFUSED);
  });

  it('is nothing to another node', async () => {
    const { tokens } = await world();
    const { tokens: others } = await world();

    const { token } = await others.issue(ALICE, []);

    await assert.rejects(tokens.verify(token), REFUSED);
  });

  it('is remembered within bounds, however large tokens are asked for', async () => {
    const { tokens } = await world();
    const grants = Array.from({ length: 100 }, (_, n): Grant => {
      return { type: 'repository', name: `a${n}/${'b'.repeat(200)}`, actions: ['pull'] };
    });
    const before = heapBytes();

    for (let n = 0; n < 500; n++) {
      await tokens.verify((await tokens.issue(ANONYMOUS, grants)).token);
    }

    assert.ok(heapBytes() - before < 16 << 20);
  });
});

async function world() {
  const clock = { now: AT };
  const accounts = new Map([['alice', accountOf(ALICE)]]);
  const tokens = await createTokens({
    accounts: { find: async (name) => accounts.get(name) },
    now: () => clock.now,
  });
  return { tokens, clock, accounts };
}

function accountOf(caller: Caller): Account {
  return { caller, passwordHash: '', validFrom: 0 };
}

/** What is left after everything was collected that can be. */
function heapBytes(): number {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  return process.memoryUsage().heapUsed;
}
