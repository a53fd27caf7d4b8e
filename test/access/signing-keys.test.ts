import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { resealSigningKeys, rotateSigningKeys } from '../../src/access/signing-keys.ts';
import { databases } from '../support/databases.ts';
import { freshSecrets, signingKeysOn } from './keys.ts';

const HOUR_MS = 60 * 60 * 1000;
const DAY_MS = 24 * HOUR_MS;
/** Longer than a token with all its leeway. */
const OVERLAP_MS = 32 * 60 * 1000;

for (const engine of databases) {
  describe(`signing keys on ${engine.name}`, () => {
    it('are made at the first start and kept for every process after it', async () => {
      await using database = await engine.open();
      const secrets = await freshSecrets();
      const first = await signingKeysOn(database, { secrets });

      const second = await signingKeysOn(database, { secrets });

      const { kid } = await first.signing();
      assert.equal((await second.signing()).kid, kid);
      assert.ok((await second.verifying(kid)) !== undefined);
      assert.equal(await second.verifying('another'), undefined);
    });

    it('are one, however many processes start at the same time', async () => {
      await using database = await engine.open();
      const secrets = await freshSecrets();

      const all = await Promise.all([1, 2, 3].map(() => signingKeysOn(database, { secrets })));

      const kids = await Promise.all(all.map(async (keys) => (await keys.signing()).kid));
      assert.equal(new Set(kids).size, 1);
    });

    it('lie in the database sealed, and are published without their private part', async () => {
      await using database = await engine.open();
      const keys = await signingKeysOn(database);

      const rows = await database.read.selectFrom('signing_keys').selectAll().execute();
      const [published] = await keys.published();

      assert.equal(rows.length, 1);
      assert.match(rows[0]?.private_key ?? '', /^v1\.[\w-]+\.[\w-]+\.[\w-]+$/);
      assert.deepEqual(Object.keys(published ?? {}).toSorted(), [
        'alg',
        'crv',
        'kid',
        'kty',
        'use',
        'x',
        'y',
      ]);
      assert.equal(published?.kid, (await keys.signing()).kid);
    });

    it('are followed on schedule by another, which is published before it signs', async () => {
      await using database = await engine.open();
      const clock = { now: DAY_MS };
      const secrets = await freshSecrets();
      const options = { secrets, now: () => clock.now, rotationMs: 90 * DAY_MS };
      const keys = await signingKeysOn(database, options);
      const other = await signingKeysOn(database, options);
      const { kid: first } = await keys.signing();

      clock.now += 90 * DAY_MS;
      const all = await Promise.all([keys.signing(), other.signing(), keys.signing()]);

      assert.deepEqual(new Set(all.map(({ kid }) => kid)), new Set([first]));
      const published = (await keys.published()).map(({ kid }) => kid);
      assert.equal(published.length, 2);
      clock.now += DAY_MS;
      const { kid: second } = await other.signing();
      assert.ok(second !== first && published.includes(second));
      assert.ok((await keys.verifying(first)) !== undefined);
      clock.now += OVERLAP_MS;
      assert.equal(await keys.verifying(first), undefined);
      assert.deepEqual(
        (await other.published()).map(({ kid }) => kid),
        [second],
      );
    });

    it('are replaced at once by command, which every process sees', async () => {
      await using database = await engine.open();
      const clock = { now: DAY_MS };
      const secrets = await freshSecrets();
      const options = { secrets, now: () => clock.now };
      const keys = await signingKeysOn(database, options);
      const { kid: first } = await keys.signing();

      const second = await rotateSigningKeys({ database, ...options });

      assert.equal((await keys.signing()).kid, second);
      assert.ok((await keys.verifying(first)) !== undefined);
      clock.now += OVERLAP_MS;
      assert.equal(await keys.verifying(first), undefined);
    });

    it('keep no private key that signs no more, and no row whose tokens have ended', async () => {
      await using database = await engine.open();
      const clock = { now: DAY_MS };
      const options = { secrets: await freshSecrets(), now: () => clock.now };
      const { kid: first } = await (await signingKeysOn(database, options)).signing();
      const rows = () => database.read.selectFrom('signing_keys').selectAll().execute();

      await rotateSigningKeys({ database, ...options });
      const retired = (await rows()).find(({ kid }) => kid === first);
      clock.now += OVERLAP_MS;
      await rotateSigningKeys({ database, ...options });

      assert.equal(retired?.private_key, '');
      assert.ok((await rows()).every(({ kid }) => kid !== first));
    });

    it('are made anew where the master key was lost, and those before still verify', async () => {
      await using database = await engine.open();
      const { kid: first } = await (await signingKeysOn(database)).signing();

      const keys = await signingKeysOn(database);

      assert.notEqual((await keys.signing()).kid, first);
      assert.ok((await keys.verifying(first)) !== undefined);
    });

    it('are not replaced by who has another master key than the node', async () => {
      await using database = await engine.open();
      const keys = await signingKeysOn(database);
      const { kid } = await keys.signing();
      const secrets = await freshSecrets();

      const refused = rotateSigningKeys({ database, secrets, now: Date.now });

      await assert.rejects(refused, { name: 'SecretUnreadable' });
      assert.equal((await keys.signing()).kid, kid);
    });

    it('are sealed anew with another master key, and the same keys', async () => {
      await using database = await engine.open();
      const secrets = await freshSecrets();
      const next = await freshSecrets();
      const { kid } = await (await signingKeysOn(database, { secrets })).signing();
      const seal = (text: string, purpose: string) => next.seal(text, purpose);
      const both = { ...secrets, seal };

      const count = await database.write((transaction) =>
        resealSigningKeys(transaction, { secrets: both, now: Date.now() }),
      );

      assert.equal(count, 1);
      assert.equal((await (await signingKeysOn(database, { secrets: next })).signing()).kid, kid);
    });
  });
}
