import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseCommandLine } from '../../src/cli/arguments.ts';

describe('the command line', () => {
  it('serves unless it says something else', () => {
    assert.deepEqual(parseCommandLine([], {}), {
      name: 'serve',
      sources: { file: undefined, env: {}, overrides: [] },
    });
    assert.deepEqual(parseCommandLine(['serve'], {}), parseCommandLine([], {}));
  });

  it('names the configuration, before the environment does', () => {
    const env = { PORTOLAN_CONFIG: 'from-environment.yaml' };

    assert.equal(fileOf(['--config', 'named.yaml'], env), 'named.yaml');
    assert.equal(fileOf([], env), 'from-environment.yaml');
    assert.equal(fileOf([], { PORTOLAN_CONFIG: '' }), undefined);
  });

  it('overrides what the environment overrides, and that is known by its name', () => {
    const env = {
      PORTOLAN_LISTEN: '0.0.0.0:1',
      PORTOLAN_DATA: '',
      PORTOLAN_ADMIN_PASSWORD: 'secret',
    };

    const command = parseCommandLine(['--data', 'here', '--listen=0.0.0.0:2'], env);

    assert.ok('sources' in command);
    assert.deepEqual(command.sources.overrides, [
      { origin: 'PORTOLAN_LISTEN', path: ['listen', 'address'], value: '0.0.0.0:1' },
      { origin: 'PORTOLAN_ADMIN_PASSWORD', path: ['admin', 'password'], value: 'secret' },
      { origin: '--listen', path: ['listen', 'address'], value: '0.0.0.0:2' },
      { origin: '--data', path: ['data'], value: 'here' },
    ]);
  });

  it('takes help for an answer to anything', () => {
    assert.deepEqual(parseCommandLine(['backup', '--help'], {}), { name: 'help' });
    assert.deepEqual(parseCommandLine(['-h'], {}), { name: 'help' });
    assert.deepEqual(parseCommandLine(['policies', 'start', '--help'], {}), { name: 'help' });
  });

  for (const { args, problem } of [
    { args: ['serve', 'now'], problem: 'now is too much' },
    {
      args: ['config'],
      problem: 'config alone is no command; allowed: config check, config print',
    },
    {
      args: ['config', 'shwo'],
      problem: 'config shwo is no command; allowed: config check, config print',
    },
    { args: ['config', 'check', 'x'], problem: 'x is too much' },
    { args: ['users', 'disable'], problem: 'users disable needs NAME' },
    { args: ['groups', 'add', 'staff'], problem: 'groups add needs GROUP and USER' },
    { args: ['groups', 'add', 'a', 'b', 'c'], problem: 'c is too much' },
    {
      args: ['policies', 'strat', 'x'],
      problem:
        'policies strat is no command; allowed: policies list, policies show, policies start, policies stop, policies retry',
    },
    { args: ['policies', 'start'], problem: 'policies start needs NAME' },
    { args: ['executions', 'stop', '1', '2'], problem: '2 is too much' },
    { args: ['policies', 'list', '--wait'], problem: 'policies list has no option --wait' },
    {
      args: ['policies', 'list', '--node', 'http://me:secret@x'],
      problem: 'that is no address of a node, such as https://registry.example',
    },
    {
      args: ['policies', 'list', '--password-file', 'f', '--password-stdin'],
      problem: '--password-file and --password-stdin are two passwords',
    },
    { args: ['policies', 'list', '--password', 'x'], problem: "Unknown option '--password'" },
    { args: ['backup'], problem: 'backup needs the FILE to write' },
    { args: ['--lisen', 'x'], problem: "Unknown option '--lisen'" },
    { args: ['--data'], problem: "Option '--data <value>' argument missing" },
    { args: ['--config='], problem: '--config needs the FILE to read' },
  ]) {
    it(`is refused as \`${args.join(' ')}\``, () => {
      assert.throws(() => parseCommandLine(args, {}), {
        name: 'UsageError',
        message: `${problem}\nportolan --help tells what there is.`,
      });
    });
  }
});

function fileOf(args: readonly string[], env: Record<string, string>): string | undefined {
  const command = parseCommandLine(args, env);
  return 'sources' in command ? command.sources.file : undefined;
}
