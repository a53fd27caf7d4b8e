import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Accounts } from '../../src/access/accounts.ts';
import { createAuthenticator } from '../../src/access/authenticator.ts';
import type { IdentityProvider } from '../../src/access/identity.ts';
import { OciError } from '../../src/oci/error.ts';
import { noToken } from './keys.ts';

const AT = Date.UTC(2026, 10, 21);
const HOME = '192.0.2.7';
const REFUSED = 'UNAUTHORIZED';
const LATER = 'TOOMANYREQUESTS';

describe('guessing passwords', () => {
  it('of one account has to wait, longer each time, wherever the guesses come from', async () => {
    const world = createWorld();
    for (let n = 0; n < 10; n++) {
      assert.equal(await world.signIn('alice', `guess ${n}`, `198.51.100.${n}`), REFUSED);
    }

    const waits: number[] = [];
    for (let n = 0; n < 6; n++) {
      const wait = await world.waitOf('alice', `more ${n}`, `203.0.113.${n}`);
      waits.push(wait);
      world.clock.now += wait * 1000;
      assert.equal(await world.signIn('alice', `more ${n}`, `203.0.113.${n}`), REFUSED);
    }

    assert.deepEqual(waits, [1, 2, 4, 8, 15, 15]);
  });

  it('from one address has to wait, whichever accounts are guessed', async () => {
    const world = createWorld();
    for (let n = 0; n < 10; n++) {
      assert.equal(await world.signIn(`user ${n}`, 'Password1', HOME), REFUSED);
    }

    assert.equal(await world.waitOf('another', 'Password1', HOME), 1);
    assert.equal(await world.waitOf('alice', 'right', HOME), 1);
    assert.equal(await world.signIn('bob', 'right', '198.51.100.1'), 'bob');
  });

  it('from one IPv6 network is from one address', async () => {
    const world = createWorld();
    for (let n = 0; n < 10; n++) await world.signIn(`user ${n}`, 'x', `2001:db8:1:2::${n}`);

    assert.equal(await world.signIn('alice', 'right', '2001:db8:1:2:9:9:9:9'), LATER);
    assert.equal(await world.signIn('alice', 'right', '2001:db8:1:3::1'), 'alice');
  });

  it('many at once is no way around it', async () => {
    const world = createWorld();

    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, n) => world.signIn('alice', `guess ${n}`, `198.51.100.${n}`)),
    );

    assert.equal(answers.filter((answer) => answer === REFUSED).length, 10);
    assert.equal(world.checked(), 10);
  });

  it('is refused the same way for names that nobody has', async () => {
    const world = createWorld();
    const seen = async (name: string, network: string) => {
      const answers: string[] = [];
      for (let n = 0; n < 12; n++) {
        answers.push(await world.signIn(name, `guess ${n}`, `${network}.${n}`));
      }
      return answers;
    };

    assert.deepEqual(await seen('alice', '198.51.100'), await seen('nobody', '203.0.113'));
  });

  it('is forgotten a quarter of an hour after the last one', async () => {
    const world = createWorld();
    for (let n = 0; n < 10; n++) await world.signIn('alice', `guess ${n}`, HOME);

    world.clock.now += 15 * 60_000;

    assert.equal(await world.signIn('alice', 'guess', HOME), REFUSED);
    assert.equal(await world.signIn('alice', 'right', HOME), 'alice');
  });
});

describe('a user whose password others guess', () => {
  it('still signs in from where that worked before', async () => {
    const world = createWorld();
    assert.equal(await world.signIn('alice', 'right', HOME), 'alice');
    for (let n = 0; n < 30; n++) await world.signIn('alice', `guess ${n}`, `198.51.100.${n}`);
    world.passwords.set('alice', 'changed');

    assert.equal(await world.signIn('alice', 'changed', '203.0.113.1'), LATER);
    assert.equal(await world.signIn('alice', 'changed', HOME), 'alice');
  });

  it('is not asked to wait with a password that was right a moment ago', async () => {
    const world = createWorld();
    await world.signIn('alice', 'right', HOME);
    for (let n = 0; n < 30; n++) await world.signIn('alice', `guess ${n}`, `198.51.100.${n}`);
    const before = world.checked();

    for (let n = 0; n < 100; n++) {
      assert.equal(await world.signIn('alice', 'right', `203.0.113.${n}`), 'alice');
    }
    assert.equal(world.checked(), before);
  });

  it('gets in from anywhere in the end, though one address guesses without a pause', async () => {
    const world = createWorld();
    let seconds = 0;
    // A guess each tenth of a second, with hers behind it: the guesser is the first whenever a wait ends.
    const cameIn = async (): Promise<boolean> => {
      for (let n = 0; n < 10; n++) {
        await world.signIn('alice', `guess ${seconds} ${n}`, '198.51.100.1');
        world.clock.now += 100;
      }
      return (await world.signIn('alice', 'right', HOME)) === 'alice';
    };
    for (; seconds < 120; seconds++) {
      world.passwords.set('alice', 'not hers');
      await cameIn();
    }
    world.passwords.set('alice', 'right');

    const started = seconds;
    while (!(await cameIn())) seconds++;

    assert.ok(seconds - started < 30, `it took ${seconds - started} s`);
  });
});

describe('the same wrong password again and again', () => {
  it('is checked and counted once: a stale secret that a cluster repeats stands in nobody’s way', async () => {
    const world = createWorld();

    for (let n = 0; n < 1000; n++) {
      assert.equal(await world.signIn('robot$team+ci', 'stale', HOME), REFUSED);
    }

    assert.equal(world.checked(), 1);
    assert.equal(await world.signIn('alice', 'right', HOME), 'alice');
  });

  it('is right as soon as the password is that', async () => {
    const world = createWorld();
    await world.signIn('alice', 'changed', HOME);

    world.passwords.set('alice', 'changed');

    assert.equal(await world.signIn('alice', 'changed', HOME), 'alice');
  });
});

describe('a provider of identities', () => {
  it('that fails is no wrong password', async () => {
    let fails = true;
    const world = createWorld({
      async authenticate(name) {
        if (fails) throw new OciError('UNAVAILABLE');
        return { name };
      },
    });
    for (let n = 0; n < 30; n++) {
      assert.equal(await world.signIn('alice', 'right', HOME), 'UNAVAILABLE');
    }

    fails = false;

    assert.equal(await world.signIn('alice', 'right', HOME), 'alice');
  });
});

/** `alice` and `bob` have the password `right`; checking one costs nothing. */
function createWorld(identities?: IdentityProvider) {
  const clock = { now: AT };
  const passwords = new Map([
    ['alice', 'right'],
    ['bob', 'right'],
  ]);
  let checked = 0;
  const authenticator = createAuthenticator(
    accountsOf(passwords),
    { verify: noToken },
    {
      now: () => clock.now,
      identities: identities ?? {
        async authenticate(name, password) {
          checked++;
          return passwords.get(name) === password ? { name } : undefined;
        },
      },
    },
  );
  const attempt = (name: string, password: string, address: string) =>
    authenticator.signIn(name, password, address).then(
      (caller) => ({ answer: caller.name, wait: 0 }),
      (error: unknown) => {
        assert.ok(error instanceof OciError);
        return { answer: error.code, wait: error.retryAfterSeconds ?? 0 };
      },
    );
  return {
    clock,
    passwords,
    checked: () => checked,
    /** The user's name, or why not. */
    signIn: async (...who: Parameters<typeof attempt>) => (await attempt(...who)).answer,
    /** Seconds until it may be tried again. */
    async waitOf(...who: Parameters<typeof attempt>) {
      const { answer, wait } = await attempt(...who);
      assert.equal(answer, LATER);
      return wait;
    },
  };
}

function accountsOf(passwords: ReadonlyMap<string, string>): Accounts {
  return {
    async find(name) {
      const password = passwords.get(name);
      if (password === undefined) return undefined;
      const caller = { name, id: 2, isAdmin: false, isAnonymous: false, roles: new Map() };
      return { caller, passwordHash: `hash of ${password}`, validFrom: 0 };
    },
  };
}
