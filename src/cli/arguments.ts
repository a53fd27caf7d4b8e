import { parseArgs } from 'node:util';
import type { ConfigSources, Override } from '../config/load.ts';
import { type ImportCommand, parseImport } from './import-arguments.ts';
import { isNodeFamily, type NodeCommand, parseNodeCommand } from './node-arguments.ts';
import { parseReplicate, type ReplicateCommand } from './replicate-arguments.ts';
import { UsageError, usageErrorOf } from './usage.ts';

/** Commands of two words, and what they need besides. */
const PAIRS = {
  'config check': [],
  'config print': [],
  'keys rotate': [],
  'secrets rotate': [],
  'users disable': ['NAME'],
  'users enable': ['NAME'],
  'users sign-out': ['NAME'],
  'groups add': ['GROUP', 'USER'],
  'groups remove': ['GROUP', 'USER'],
} as const;
type Pair = keyof typeof PAIRS;

/** What the command line asks for. */
export type Command =
  | { readonly name: 'serve'; readonly sources: ConfigSources }
  | { readonly name: Pair; readonly names: readonly string[]; readonly sources: ConfigSources }
  | { readonly name: 'backup'; readonly file: string; readonly sources: ConfigSources }
  | { readonly name: 'node'; readonly command: NodeCommand }
  | { readonly name: 'replicate'; readonly command: ReplicateCommand }
  | { readonly name: 'import'; readonly command: ImportCommand }
  | { readonly name: 'help' | 'version' };

type Environment = Readonly<Record<string, string | undefined>>;

/** @throws UsageError */
export function parseCommandLine(args: readonly string[], env: Environment): Command {
  const [first] = args;
  if (isNodeFamily(first) && !isHelp(args)) {
    return { name: 'node', command: parseNodeCommand(args, env) };
  }
  if (first === 'replicate' && !isHelp(args)) {
    return { name: 'replicate', command: parseReplicate(args.slice(1), env) };
  }
  if (first === 'import' && !isHelp(args)) {
    return { name: 'import', command: parseImport(args.slice(1), env) };
  }
  const hasOwnOptions = isNodeFamily(first) || first === 'replicate' || first === 'import';
  const { values, positionals } = parsed(hasOwnOptions ? ['--help'] : args);
  if (values.help === true) return { name: 'help' };
  if (values.version === true) return { name: 'version' };
  const sources = sourcesOf(values, env);
  const [command = 'serve', ...rest] = positionals;
  if (command === 'backup') {
    const [file, ...more] = rest;
    if (file === undefined || file === '') throw new UsageError('backup needs the FILE to write');
    refuseMore(more);
    return { name: 'backup', file, sources };
  }
  const pair = pairOf(command, rest);
  if (pair !== undefined) return { ...pair, sources };
  if (command !== 'serve') {
    const families = Object.keys(PAIRS).map((words) => words.replace(/ .*/, ''));
    const others = ['policies', 'executions', 'tags', 'replicate', 'import'];
    const allowed = [...new Set(['serve', 'backup', ...families, ...others])].join(', ');
    throw new UsageError(`${command} is no command; allowed: ${allowed}`);
  }
  refuseMore(rest);
  return { name: 'serve', sources };
}

function isHelp(args: readonly string[]): boolean {
  return args.includes('--help') || args.includes('-h');
}

/** Undefined where the first word begins none. @throws UsageError */
function pairOf(
  command: string,
  [what = 'alone', ...rest]: readonly string[],
): { readonly name: Pair; readonly names: readonly string[] } | undefined {
  const family = Object.keys(PAIRS).filter((pair) => pair.startsWith(`${command} `));
  if (family.length === 0) return undefined;
  const name = `${command} ${what}`;
  if (!isPair(name)) {
    throw new UsageError(`${name} is no command; allowed: ${family.join(', ')}`);
  }
  const needed = PAIRS[name];
  const names = rest.slice(0, needed.length);
  if (names.length < needed.length || names.includes('')) {
    throw new UsageError(`${name} needs ${needed.join(' and ')}`);
  }
  refuseMore(rest.slice(needed.length));
  return { name, names };
}

function isPair(name: string): name is Pair {
  return Object.hasOwn(PAIRS, name);
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        config: { type: 'string' },
        data: { type: 'string' },
        listen: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
        version: { type: 'boolean' },
      },
    });
  } catch (error) {
    throw usageErrorOf(error);
  }
}

function sourcesOf(
  values: { readonly config?: string; readonly data?: string; readonly listen?: string },
  env: Environment,
): ConfigSources {
  const overrides: Override[] = [];
  const add = (origin: string, path: readonly string[], value: string | undefined): void => {
    // A variable that is set to nothing is how a shell unsets one for a single command.
    if (value === undefined || (value === '' && !origin.startsWith('--'))) return;
    overrides.push({ origin, path, value });
  };
  add('PORTOLAN_LISTEN', ['listen', 'address'], env['PORTOLAN_LISTEN']);
  add('PORTOLAN_DATA', ['data'], env['PORTOLAN_DATA']);
  add('PORTOLAN_ADMIN_PASSWORD', ['admin', 'password'], env['PORTOLAN_ADMIN_PASSWORD']);
  add('PORTOLAN_MASTER_KEY', ['secrets', 'masterKey'], env['PORTOLAN_MASTER_KEY']);
  add('--listen', ['listen', 'address'], values.listen);
  add('--data', ['data'], values.data);
  const file = values.config ?? (env['PORTOLAN_CONFIG'] || undefined);
  if (file === '') throw new UsageError('--config needs the FILE to read');
  return { file, env, overrides };
}

function refuseMore(more: readonly string[]): void {
  if (more.length > 0) throw new UsageError(`${more.join(' ')} is too much`);
}
