import assert from 'node:assert/strict';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import {
  generateMasterKey,
  masterKeyFile,
  openMasterKeys,
  readMasterKeys,
  writeMasterKeys,
} from '../../src/access/master-key.ts';
import { createSecrets } from '../../src/access/secrets.ts';
import { createSigningKeys, resealSigningKeys } from '../../src/access/signing-keys.ts';
import { credentialOf } from '../../src/catalog/endpoint-drafts.ts';
import { rotateSecrets } from '../../src/cli/rotate-secrets.ts';
import { openDatabase } from '../../src/database/open-database.ts';
import { portolan } from '../support/portolan.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { PASSWORD, serve } from './support.ts';
import { kidOf, statusWith, tokenOf } from './tokens.ts';

const now = Date.now;

describe('portolan keys rotate', { timeout: 600_000 }, () => {
  it('has a running node sign with another key, and takes no token from anybody', async () => {
    await using directory = await temporaryDirectory();
    const folder = join(directory.path, 'data');
    await using node = await serve(folder);
    const before = await tokenOf(node);

    const { code, stdout, stderr } = await portolan(['keys', 'rotate', '--data', folder]);

    assert.equal(code, 0, stderr);
    const after = await tokenOf(node);
    assert.equal(stdout, `Tokens are signed with ${kidOf(after)} from now on.\n`);
    assert.notEqual(kidOf(after), kidOf(before));
    assert.equal(await statusWith(node, before), 200);
    assert.equal(await statusWith(node, after), 200);
  });

  it('leaves a running node its tokens where the next master key is configured already', async () => {
    await using directory = await temporaryDirectory();
    const folder = join(directory.path, 'data');
    const [next, old] = [generateMasterKey(), generateMasterKey()];
    const env = { PORTOLAN_ADMIN_PASSWORD: PASSWORD, PORTOLAN_MASTER_KEY: old };
    await using node = await serve(folder, { env });

    const { code, stdout } = await portolan(['keys', 'rotate', '--data', folder], {
      env: { PORTOLAN_MASTER_KEY: `${next}\n${old}` },
    });

    assert.equal(code, 0);
    assert.equal(stdout, `Tokens are signed with ${kidOf(await tokenOf(node))} from now on.\n`);
  });

  it('changes nothing where its master key is not the one of the node', async () => {
    await using directory = await temporaryDirectory();
    const folder = join(directory.path, 'data');
    const env = { PORTOLAN_ADMIN_PASSWORD: PASSWORD, PORTOLAN_MASTER_KEY: generateMasterKey() };
    await using node = await serve(folder, { env });
    const before = await tokenOf(node);

    const without = await portolan(['keys', 'rotate', '--data', folder]);
    const wrong = await portolan(['keys', 'rotate', '--data', folder], {
      env: { PORTOLAN_MASTER_KEY: generateMasterKey() },
    });

    assert.equal(without.code, 2);
    assert.match(without.stderr, /^portolan: there is no \S+master\.key, and the configuration/);
    assert.equal(wrong.code, 2);
    assert.match(wrong.stderr, /is sealed with master key \S+, which is not here\n$/);
    assert.equal(kidOf(await tokenOf(node)), kidOf(before));
  });
});

describe('portolan secrets rotate', { timeout: 600_000 }, () => {
  it('waits for the node to stop, and then changes the key and nothing that it seals', async () => {
    await using directory = await temporaryDirectory();
    const folder = join(directory.path, 'data');
    const node = await serve(folder);
    const token = await tokenOf(node);
    const before = await readFile(masterKeyFile(folder), 'utf8');
    const running = await portolan(['secrets', 'rotate', '--data', folder]);
    assert.equal(running.code, 2);
    assert.match(running.stderr, /another process is using the data/);
    await node[Symbol.asyncDispose]();

    const { code, stdout, stderr } = await portolan(['secrets', 'rotate', '--data', folder]);

    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
    assert.equal(stdout, '1 secrets are sealed with the new master key.\n');
    const after = await readFile(masterKeyFile(folder), 'utf8');
    assert.match(after, /^\S{44}\n$/);
    assert.notEqual(after, before);
    assert.equal((await stat(masterKeyFile(folder))).mode & 0o777, 0o600);
    await using restarted = await serve(folder);
    assert.equal(await statusWith(restarted, token), 200);
    assert.equal(kidOf(await tokenOf(restarted)), kidOf(token));
  });

  it('takes the credentials of endpoints along', async () => {
    await using directory = await temporaryDirectory();
    const folder = join(directory.path, 'data');
    await startOnce(folder, undefined);
    const credential = { username: 'me', password: 'hunter2' };
    const before = createSecrets(await readMasterKeys(folder, undefined));
    await addEndpoint(folder, before.seal(JSON.stringify(credential), 'endpoints/1'));

    assert.equal(await rotateSecrets({ dataFolder: folder, masterKey: undefined }), 2);

    await using database = await openDatabase(folder, { now });
    const row = await database.read
      .selectFrom('endpoints')
      .select(['id', 'credential'])
      .where('id', '=', 1)
      .executeTakeFirstOrThrow();
    const after = createSecrets(await readMasterKeys(folder, undefined));
    assert.deepEqual(credentialOf(row, after), credential);
    assert.throws(() => credentialOf(row, before), { name: 'SecretUnreadable' });
  });

  it('changes nothing where the credential of an endpoint does not open, and names that', async () => {
    await using directory = await temporaryDirectory();
    const folder = join(directory.path, 'data');
    await startOnce(folder, undefined);
    const lost = createSecrets(await readMasterKeys('/nowhere', generateMasterKey()));
    const sealed = lost.seal('{}', 'endpoints/1');
    await addEndpoint(folder, sealed);
    const file = await readFile(masterKeyFile(folder), 'utf8');

    const { code, stderr } = await portolan(['secrets', 'rotate', '--data', folder]);

    assert.equal(code, 2);
    assert.match(stderr, /^portolan: the credential of registry hub cannot be opened: .* not here/);
    assert.match(stderr, /give it another one, or remove it/);
    assert.equal(await readFile(masterKeyFile(folder), 'utf8'), file);
  });

  it('goes over to the key of the configuration, and removes the one in the folder', async () => {
    await using directory = await temporaryDirectory();
    const folder = join(directory.path, 'data');
    const kid = await startOnce(folder, undefined);
    const masterKey = generateMasterKey();

    const { stdout } = await portolan(['secrets', 'rotate', '--data', folder], {
      env: { PORTOLAN_MASTER_KEY: masterKey },
    });

    assert.match(stdout, /^1 secrets .* The configuration needs no other any more\.\n$/);
    await assert.rejects(stat(masterKeyFile(folder)), { code: 'ENOENT' });
    assert.equal(await startOnce(folder, masterKey), kid);
  });

  it('goes over from the second key of the configuration to the first', async () => {
    await using directory = await temporaryDirectory();
    const folder = join(directory.path, 'data');
    const old = generateMasterKey();
    const kid = await startOnce(folder, old);
    const next = generateMasterKey();

    await rotateSecrets({ dataFolder: folder, masterKey: `${next}\n${old}` });

    assert.equal(await startOnce(folder, next), kid);
  });

  for (const { name, isSealed } of [
    { name: 'before anything was sealed anew', isSealed: false },
    { name: 'before the old key was gone', isSealed: true },
  ]) {
    it(`that was stopped ${name} leaves a node that starts, and is finished by the next`, async () => {
      await using directory = await temporaryDirectory();
      const folder = join(directory.path, 'data');
      const kid = await startOnce(folder, undefined);
      const next = generateMasterKey();
      const old = (await readFile(masterKeyFile(folder), 'utf8')).trim();
      await writeMasterKeys(folder, [next, old]);
      if (isSealed) await seal(folder);
      assert.equal(await startOnce(folder, undefined), kid);

      await rotateSecrets({ dataFolder: folder, masterKey: undefined });

      assert.equal(await readFile(masterKeyFile(folder), 'utf8'), `${next}\n`);
      assert.equal(await startOnce(folder, undefined), kid);
    });
  }
});

/** What a start does with the keys; the `kid` of the one that signs then. */
async function startOnce(folder: string, masterKey: string | undefined): Promise<string> {
  await using database = await openDatabase(folder, { now });
  const secrets = createSecrets(await openMasterKeys(folder, masterKey));
  const keys = await createSigningKeys({ database, secrets, now, rotationMs: 1e12 });
  return (await keys.signing()).kid;
}

async function addEndpoint(folder: string, credential: string): Promise<void> {
  await using database = await openDatabase(folder, { now });
  await database.write((transaction) =>
    transaction
      .insertInto('endpoints')
      .values({
        id: 1,
        name: 'hub',
        adapter: 'docker-hub',
        url: 'https://hub.example',
        settings: '{}',
        declared: 0,
        credential,
        created_at: 0,
        updated_at: 0,
      })
      .execute(),
  );
}

async function seal(folder: string): Promise<void> {
  await using database = await openDatabase(folder, { now });
  const secrets = createSecrets(await readMasterKeys(folder, undefined));
  await database.write((transaction) => resealSigningKeys(transaction, { secrets, now: now() }));
}
