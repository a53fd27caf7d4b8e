import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { Accounts } from '../../src/access/accounts.ts';
import { createAuthenticator } from '../../src/access/authenticator.ts';
import { hashPassword } from '../../src/access/passwords.ts';
import { noToken } from './keys.ts';

describe('checking passwords', () => {
  it('leaves the threads that read the disk to others, however many are wrong', async () => {
    const { authenticator } = await world();
    let checked = 0;
    const wrong = Array.from({ length: 40 }, async (_, n) => {
      await assert.rejects(authenticator.signIn(`alice${n}`, 'wrong', `192.0.2.${n}`));
      checked++;
    });

    await setImmediate();
    await stat(import.meta.filename);

    assert.ok(checked < 8, `${checked} were checked before the disk was asked`);
    await Promise.all(wrong);
  });

  it('makes a few wait, and sends more than that away for a while', async () => {
    const { authenticator } = await world();

    const outcomes = await Promise.allSettled(
      Array.from({ length: 100 }, (_, n) =>
        authenticator.signIn(`alice${n}`, 'wrong', `192.0.2.${n}`),
      ),
    );

    const codes = outcomes.map((outcome) => {
      assert.equal(outcome.status, 'rejected');
      return outcome.reason.code;
    });
    assert.equal(codes.filter((code) => code === 'TOOMANYREQUESTS').length, 34);
    assert.equal(codes.filter((code) => code === 'UNAUTHORIZED').length, 66);
  });

  it('is done once for everybody who comes with the same one', async () => {
    const { authenticator } = await world();

    const callers = await Promise.all(
      Array.from({ length: 200 }, () => authenticator.signIn('alice', 'right', '192.0.2.1')),
    );

    assert.ok(callers.every(({ name }) => name === 'alice'));
  });

  it('remembers the password and nothing of what its user may', async () => {
    const { authenticator, alice } = await world();
    assert.equal((await authenticator.signIn('alice', 'right', '192.0.2.1')).isAdmin, true);

    alice.isAdmin = false;

    assert.equal((await authenticator.signIn('alice', 'right', '192.0.2.1')).isAdmin, false);
  });
});

async function world() {
  const passwordHash = await hashPassword('right');
  const alice = { name: 'alice', id: 2, isAdmin: true, isAnonymous: false, roles: new Map() };
  const accounts: Accounts = {
    find: async (name) =>
      name === 'alice' ? { caller: { ...alice }, passwordHash, validFrom: 0 } : undefined,
  };
  return { authenticator: createAuthenticator(accounts, { verify: noToken }), alice };
}
