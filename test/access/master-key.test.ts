import assert from 'node:assert/strict';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import {
  generateMasterKey,
  masterKeyFile,
  openMasterKeys,
  readMasterKeys,
} from '../../src/access/master-key.ts';
import { createSecrets } from '../../src/access/secrets.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const FOR = 'signing_keys/k1';

describe('the master key', () => {
  it('is made once, in a file for the node alone', async () => {
    await using folder = await temporaryDirectory();

    const [made] = await openMasterKeys(folder.path, undefined);
    const [again] = await openMasterKeys(folder.path, undefined);

    assert.equal(again.id, made.id);
    assert.equal((await stat(masterKeyFile(folder.path))).mode & 0o777, 0o600);
  });

  it('is not made by those who do not own the folder', async () => {
    await using folder = await temporaryDirectory();

    await assert.rejects(readMasterKeys(folder.path, undefined), { name: 'MasterKeyMissing' });
  });

  it('that is configured leaves no file, and opens beside the file that was there before', async () => {
    await using folder = await temporaryDirectory();
    const configured = generateMasterKey();
    await openMasterKeys(join(folder.path), configured);
    await assert.rejects(stat(masterKeyFile(folder.path)), { code: 'ENOENT' });

    const [generated] = await openMasterKeys(folder.path, undefined);
    const keys = await openMasterKeys(folder.path, configured);

    assert.equal(keys.length, 2);
    assert.equal(keys[1]?.id, generated.id);
  });

  it('is refused where it is too short to be one', async () => {
    await using folder = await temporaryDirectory();
    await writeFile(masterKeyFile(folder.path), 'c2hvcnQ=\n');

    await assert.rejects(openMasterKeys(folder.path, undefined), { name: 'MasterKeyMissing' });
  });
});

describe('a sealed text', () => {
  it('opens with the key that sealed it, and with any list that has that key', async () => {
    await using folder = await temporaryDirectory();
    const secrets = createSecrets(await openMasterKeys(folder.path, undefined));
    const sealed = secrets.seal('häfen', FOR);

    const later = createSecrets(await openMasterKeys(folder.path, generateMasterKey()));

    assert.equal(secrets.open(sealed, FOR), 'häfen');
    assert.equal(later.open(sealed, FOR), 'häfen');
    assert.ok(!sealed.includes('häfen'));
    assert.ok(!sealed.includes((await readFile(masterKeyFile(folder.path), 'utf8')).trim()));
  });

  it('is another one each time', async () => {
    const secrets = await secretsOf();

    assert.notEqual(secrets.seal('x', FOR), secrets.seal('x', FOR));
  });

  for (const { name, change, purpose = FOR } of [
    { name: 'moved to another row', change: (sealed: string) => sealed, purpose: 'endpoints/1' },
    { name: 'changed', change: flipped },
    { name: 'cut short', change: (sealed: string) => sealed.slice(0, -4) },
    { name: 'shorter than its tag', change: (sealed: string) => `${headOf(sealed)}.AAAA` },
    { name: 'of another key', change: ofAnotherKey },
    { name: 'of another version', change: (sealed: string) => sealed.replace('v1', 'v2') },
    { name: 'no such text at all', change: () => 'password' },
  ]) {
    it(`does not open when it was ${name}`, async () => {
      const secrets = await secretsOf();
      const sealed = change(secrets.seal('secret', FOR));

      assert.throws(() => secrets.open(sealed, purpose), { name: 'SecretUnreadable' });
    });
  }

  it('does not open without its key', async () => {
    const sealed = (await secretsOf()).seal('secret', FOR);

    const others = await secretsOf();

    assert.throws(() => others.open(sealed, FOR), /master key \S+, which is not here/);
  });
});

async function secretsOf() {
  return createSecrets(await readMasterKeys('/nowhere', generateMasterKey()));
}

function headOf(sealed: string): string {
  return sealed.slice(0, sealed.lastIndexOf('.'));
}

function flipped(sealed: string): string {
  const box = Buffer.from(sealed.slice(sealed.lastIndexOf('.') + 1), 'base64url');
  box[0] = (box[0] ?? 0) ^ 1;
  return `${headOf(sealed)}.${box.toString('base64url')}`;
}

function ofAnotherKey(sealed: string): string {
  return sealed.replace(/^v1\.[^.]+/, 'v1.AAAAAAAAAAA');
}
