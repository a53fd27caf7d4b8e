import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Account } from '../../src/access/accounts.ts';
import { ANONYMOUS, type Caller, type Grant } from '../../src/access/caller.ts';
import { rotateSigningKeys } from '../../src/access/signing-keys.ts';
import { createTokens } from '../../src/access/tokens.ts';
import { databases } from '../support/databases.ts';
import { freshSecrets, signingKeysOn } from './keys.ts';

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
    await using opened = await world();
    const { tokens } = opened;

    const alice = await tokens.issue(ALICE, GRANTS);
    const nobody = await tokens.issue(ANONYMOUS, []);

    assert.deepEqual(await tokens.verify(alice.token), { ...ALICE, grants: GRANTS, issuedAt: AT });
    assert.deepEqual(await tokens.verify(nobody.token), {
      ...ANONYMOUS,
      grants: [],
      issuedAt: AT,
    });
  });

  it('ends after five minutes, and a minute later for clients whose clock is behind', async () => {
    await using opened = await world();
    const { tokens, clock } = opened;
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
    await using opened = await world();
    const { tokens, clock } = opened;
    const { token } = await tokens.issue(ALICE, []);

    clock.now = AT + 359_000;

    assert.equal((await tokens.verify(token)).name, 'alice');
  });

  it('ends with its user, and loses the rights that its user loses', async () => {
    await using opened = await world();
    const { tokens, accounts } = opened;
    const { token } = await tokens.issue(ALICE, []);

    accounts.set('alice', accountOf({ ...ALICE, isAdmin: false }));
    assert.equal((await tokens.verify(token)).isAdmin, false);

    accounts.delete('alice');
    await assert.rejects(tokens.verify(token), REFUSED);
  });

  it('ends when another is called like its user', async () => {
    await using opened = await world();
    const { token } = await opened.tokens.issue(ALICE, []);

    opened.accounts.set('alice', accountOf({ ...ALICE, id: 3 }));

    await assert.rejects(opened.tokens.verify(token), REFUSED);
  });

  it('ends with the password that it was given for, whenever it was given', async () => {
    await using opened = await world();
    const { token: before } = await opened.tokens.issue(ALICE, []);

    opened.accounts.set('alice', { ...accountOf(ALICE), validFrom: AT + 1 });
    const { token: after } = await opened.tokens.issue({ ...ALICE, validFrom: AT + 1 }, []);

    await assert.rejects(opened.tokens.verify(before), REFUSED);
    assert.equal((await opened.tokens.verify(after)).name, 'alice');
  });

  it('for another service is nothing here', async () => {
    await using opened = await world();
    const { token } = await opened.tokens.issue(ALICE, [], { service: 'other.example' });

    await assert.rejects(opened.tokens.verify(token), REFUSED);
  });

  it('is good after a restart, and on every node of the same database', async () => {
    await using opened = await world();
    const { token } = await opened.tokens.issue(ALICE, GRANTS);

    const later = await opened.restarted();

    assert.deepEqual(await later.verify(token), { ...ALICE, grants: GRANTS, issuedAt: AT });
  });

  it('outlives the rotation of its key, and not its key', async () => {
    await using opened = await world();
    const { tokens, clock } = opened;
    const { token } = await tokens.issue(ALICE, GRANTS);

    await opened.rotate();

    assert.equal((await tokens.verify(token)).name, 'alice');
    assert.equal((await (await opened.restarted()).verify(token)).name, 'alice');
    const { token: next } = await tokens.issue(ALICE, GRANTS);
    assert.equal((await tokens.verify(next)).name, 'alice');
    clock.now += 420_000;
    await assert.rejects(tokens.verify(token), REFUSED);
  });

  it('is nothing to another node', async () => {
    await using opened = await world();
    const { tokens } = opened;
    await using other = await world();
    const { tokens: others } = other;

    const { token } = await others.issue(ALICE, []);

    await assert.rejects(tokens.verify(token), REFUSED);
  });

  it('is remembered within bounds, however large tokens are asked for', async () => {
    await using opened = await world();
    const { tokens } = opened;
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
  const [engine] = databases;
  if (engine === undefined) throw new Error('there is no engine');
  const database = await engine.open();
  const clock = { now: AT };
  const accounts = new Map([['alice', accountOf(ALICE)]]);
  const secrets = await freshSecrets();
  const options = { secrets, now: () => clock.now };
  const find = async (name: string) => accounts.get(name);
  const keys = await signingKeysOn(database, options);
  /** What another process on the same database makes. */
  const restarted = async () =>
    createTokens({ accounts: { find }, keys: await signingKeysOn(database, options), ...options });
  return {
    tokens: createTokens({ accounts: { find }, keys, ...options }),
    restarted,
    rotate: () => rotateSigningKeys({ database, ...options }),
    clock,
    accounts,
    [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
  };
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
