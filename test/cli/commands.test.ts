import assert from 'node:assert/strict';
import { once } from 'node:events';
import { open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { launchInto, portolan } from '../support/portolan.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const PACKAGE = join(import.meta.dirname, '../../package.json');

describe('portolan', { timeout: 600_000 }, () => {
  it('tells its version', async () => {
    const { version } = JSON.parse(await readFile(PACKAGE, 'utf8'));

    assert.deepEqual(await portolan(['--version']), {
      code: 0,
      stdout: `portolan ${version}\n`,
      stderr: '',
    });
  });

  it('tells its commands', async () => {
    const { code, stdout, stderr } = await portolan(['--help']);

    assert.equal(code, 0);
    assert.equal(stderr, '');
    for (const word of [
      'serve',
      'config check',
      'config print',
      'backup FILE',
      'secrets rotate',
      '--listen',
    ]) {
      assert.ok(stdout.includes(word), word);
    }
  });

  it('refuses a command that there is not with one message', async () => {
    assert.deepEqual(await portolan(['sevre']), {
      code: 2,
      stdout: '',
      stderr:
        'portolan: sevre is no command; allowed: serve, backup, config, keys, secrets, users, groups, policies, executions, tags, replicate, import\nportolan --help tells what there is.\n',
    });
  });

  it('refuses a configuration that cannot be used, whatever the command', async () => {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, 'config.yaml');
    await writeFile(file, 'listen:\n  adress: 127.0.0.1:0\n');

    for (const command of [['serve'], ['config', 'print'], ['backup', 'x']]) {
      const { code, stdout, stderr } = await portolan([...command, '--config', file]);

      assert.equal(code, 2, command.join(' '));
      assert.equal(stdout, '');
      assert.match(
        stderr,
        /^portolan: .*config\.yaml has a problem:\n {2}line 2, listen\.adress: unknown key; allowed here: address, .*\n$/,
      );
    }
  });

  it('says that a configuration is right', async () => {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, 'config.yaml');
    await writeFile(file, 'data: ./elsewhere\n');

    const named = await portolan(['config', 'check', '--config', file]);
    const fromEnvironment = await portolan(['config', 'check'], { env: { PORTOLAN_CONFIG: file } });

    assert.deepEqual(named, { code: 0, stdout: `${file} is right.\n`, stderr: '' });
    assert.deepEqual(fromEnvironment, named);
  });

  it('fails with one message where there is no room for what it tells', async () => {
    await using directory = await temporaryDirectory();
    const said = join(directory.path, 'said');
    await using full = await open('/dev/full', 'w');
    await using stderr = await open(said, 'w');

    const [code] = await once(launchInto(full.fd, ['config', 'print'], stderr.fd), 'close');

    assert.equal(code, 1);
    const message = 'portolan: ENOSPC: no space left on device, write\n';
    assert.equal(await readFile(said, 'utf8'), message);
  });

  it('shows the configuration in effect, without secrets', async () => {
    const { code, stdout } = await portolan(['config', 'print', '--listen', '127.0.0.1:7'], {
      env: {
        PORTOLAN_LISTEN: '127.0.0.1:8',
        PORTOLAN_DATA: '/var/lib/portolan',
        PORTOLAN_ADMIN_PASSWORD: 'hunter2hunter2',
      },
    });

    assert.equal(code, 0);
    assert.match(stdout, /^listen:\n {2}address: 127\.0\.0\.1:7\n/);
    assert.match(stdout, /^data: \/var\/lib\/portolan\n/m);
    assert.match(stdout, /password: \(hidden\)/);
    assert.doesNotMatch(stdout, /hunter2/);
  });
});
