import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { portolan } from '../support/portolan.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { ask, PASSWORD, serve } from './support.ts';
import { kidOf, statusWith, tokenOf } from './tokens.ts';

const KeySet = z.object({ keys: z.array(z.record(z.string(), z.string())) });

function freshKey(curve = 'P-256'): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: curve });
  return privateKey.export({ type: 'pkcs8', format: 'pem' });
}

async function given(folder: string, keys: readonly string[]) {
  const keyFile = join(folder, 'keys.pem');
  await writeFile(keyFile, keys.join('\n'));
  const config = join(folder, 'config.yaml');
  await writeFile(config, `tokens: { signingKeyFile: ${keyFile} }\n`);
  return config;
}

describe('a signing key that the configuration gives', () => {
  it('signs the tokens, is published, and lies in no file of the node', async () => {
    await using directory = await temporaryDirectory();
    const key = freshKey();
    const config = await given(directory.path, [key]);
    const data = join(directory.path, 'data');
    await using node = await serve(data, {
      args: ['--config', config],
      env: { PORTOLAN_ADMIN_PASSWORD: PASSWORD },
    });

    const token = await tokenOf(node);

    assert.equal(await statusWith(node, token), 200);
    const { keys } = KeySet.parse(JSON.parse((await ask(node, '/.well-known/jwks.json')).body));
    assert.deepEqual(
      keys.map(({ kid }) => kid),
      [kidOf(token)],
    );
    assert.deepEqual(Object.keys(keys[0] ?? {}).toSorted(), [
      'alg',
      'crv',
      'kid',
      'kty',
      'use',
      'x',
      'y',
    ]);
    const [, line = 'none'] = key.split('\n');
    for (const entry of await readdir(data, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const content = await readFile(join(entry.parentPath, entry.name));
      assert.equal(content.includes(line), false, entry.name);
    }
  });

  it('is followed by another that is put before it, and then still verifies', async () => {
    await using directory = await temporaryDirectory();
    const [first, second] = [freshKey(), freshKey()];
    const data = join(directory.path, 'data');
    const env = { PORTOLAN_ADMIN_PASSWORD: PASSWORD };
    const start = async (keys: readonly string[]) =>
      serve(data, { args: ['--config', await given(directory.path, keys)], env });
    const before = await start([first]);
    const old = await tokenOf(before);
    await before[Symbol.asyncDispose]();

    await using after = await start([second, first]);

    assert.equal(await statusWith(after, old), 200);
    assert.notEqual(kidOf(await tokenOf(after)), kidOf(old));
  });

  it('is not rotated by the node, which says who does', async () => {
    await using directory = await temporaryDirectory();
    const config = await given(directory.path, [freshKey()]);

    const { code, stderr } = await portolan(['keys', 'rotate', '--config', config]);

    assert.equal(code, 1);
    assert.match(stderr, /the configuration gives the key \(tokens\.signingKey\)/);
  });

  for (const [what, keys] of [
    ['is none', ['nothing']],
    ['is of another curve', [freshKey('P-384')]],
    ['is one of several that cannot be used', [freshKey(), freshKey('P-384')]],
  ] as const) {
    it(`is refused where it ${what}, without a word of it`, async () => {
      await using directory = await temporaryDirectory();
      const config = await given(directory.path, keys);

      const { code, stderr } = await portolan(['config', 'check', '--config', config]);

      assert.equal(code, 2);
      assert.match(stderr, /tokens\.signingKey.*P-256/s);
      assert.equal(stderr.includes(keys[0].split('\n')[1] ?? 'nothing at all'), false);
    });
  }

  it('is not shown by config print', async () => {
    await using directory = await temporaryDirectory();
    const key = freshKey();
    const config = await given(directory.path, [key]);

    const { code, stdout } = await portolan(['config', 'print', '--config', config]);

    assert.equal(code, 0);
    assert.match(stdout, /signingKeyFile: /);
    assert.equal(stdout.includes(key.split('\n')[1] ?? ''), false);
  });
});
