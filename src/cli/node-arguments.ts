import { parseArgs } from 'node:util';
import type { NodeAccess } from './node-api.ts';
import { UsageError, usageErrorOf } from './usage.ts';

/** What is asked of a running node, and what that needs besides. */
const NODE_COMMANDS = {
  'policies list': [],
  'policies show': ['NAME'],
  'policies start': ['NAME'],
  'policies stop': ['NAME'],
  'policies retry': ['NAME'],
  'executions list': [],
  'executions show': ['ID'],
  'executions stop': ['ID'],
  'executions retry': ['ID'],
  'tags history': ['REPOSITORY:TAG'],
  'tags rollback': ['REPOSITORY:TAG'],
} as const;
type NodeCommandName = keyof typeof NODE_COMMANDS;

export interface NodeCommand {
  readonly name: NodeCommandName;
  /** What the command is about: the policy's name or id, the execution's id, the tag with its repository. */
  readonly subject: string;
  readonly node: NodeAccess;
  readonly isJson: boolean;
  readonly isDryRun: boolean;
  readonly waits: boolean;
  /** Only executions of it. */
  readonly policy: string | undefined;
  /** Only executions with it. */
  readonly status: string | undefined;
  /** The digest that a tag shall point to. */
  readonly to: string | undefined;
}

const DEFAULT_NODE = 'http://localhost:5000';

type Environment = Readonly<Record<string, string | undefined>>;

/** Of the commands that ask a running node, by which options begin. */
export const NODE_OPTIONS = {
  node: { type: 'string' },
  user: { type: 'string' },
  'password-file': { type: 'string' },
  'password-stdin': { type: 'boolean' },
  json: { type: 'boolean' },
} as const;

const OPTIONS = {
  ...NODE_OPTIONS,
  'dry-run': { type: 'boolean' },
  wait: { type: 'boolean' },
  policy: { type: 'string' },
  status: { type: 'string' },
  to: { type: 'string' },
} as const;
type Option = keyof typeof OPTIONS;

/** What of the options means something to a command, beside those that say which node and how. */
const TAKES: Readonly<Record<NodeCommandName, readonly Option[]>> = {
  'policies list': [],
  'policies show': [],
  'policies start': ['dry-run', 'wait'],
  'policies stop': [],
  'policies retry': ['wait'],
  'executions list': ['policy', 'status'],
  'executions show': [],
  'executions stop': [],
  'executions retry': ['wait'],
  'tags history': [],
  'tags rollback': ['to'],
};

export function isNodeFamily(word: string | undefined): boolean {
  return Object.keys(NODE_COMMANDS).some((name) => name.startsWith(`${word} `));
}

/** @throws UsageError */
export function parseNodeCommand(args: readonly string[], env: Environment): NodeCommand {
  const { values, positionals } = parsed(args);
  const [family = '', what = 'alone', ...rest] = positionals;
  const name = `${family} ${what}`;
  if (!isNodeCommand(name)) {
    const there = Object.keys(NODE_COMMANDS).filter((each) => each.startsWith(`${family} `));
    throw new UsageError(`${name} is no command; allowed: ${there.join(', ')}`);
  }
  const needed: readonly string[] = NODE_COMMANDS[name];
  if (rest.length < needed.length) throw new UsageError(`${name} needs ${needed.join(' and ')}`);
  if (rest.length > needed.length) {
    throw new UsageError(`${rest.slice(needed.length).join(' ')} is too much`);
  }
  refuseOthers(name, Object.keys(values));
  return {
    name,
    subject: rest[0] ?? '',
    node: accessOf(values, env),
    isJson: values.json === true,
    isDryRun: values['dry-run'] === true,
    waits: values.wait === true,
    policy: values.policy,
    status: values.status,
    to: values.to,
  };
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], allowPositionals: true, options: OPTIONS });
  } catch (error) {
    throw usageErrorOf(error);
  }
}

function isNodeCommand(name: string): name is NodeCommandName {
  return Object.hasOwn(NODE_COMMANDS, name);
}

function refuseOthers(name: NodeCommandName, given: readonly string[]): void {
  const taken: readonly string[] = [...Object.keys(NODE_OPTIONS), ...TAKES[name]];
  const [other] = given.filter((option) => !taken.includes(option));
  if (other !== undefined) throw new UsageError(`${name} has no option --${other}`);
}

interface AccessValues {
  readonly node?: string;
  readonly user?: string;
  readonly 'password-file'?: string;
  readonly 'password-stdin'?: boolean;
}

/** A password is no argument: whoever lists processes could read it. */
export function accessOf(values: AccessValues, env: Environment): NodeAccess {
  const { user, 'password-file': file, 'password-stdin': isStdin } = values;
  if (file !== undefined && isStdin === true) {
    throw new UsageError('--password-file and --password-stdin are two passwords');
  }
  return {
    url: nodeUrl(values.node ?? (env['PORTOLAN_NODE'] || DEFAULT_NODE)),
    user: user ?? (env['PORTOLAN_USER'] || undefined),
    password: env['PORTOLAN_PASSWORD'] || undefined,
    passwordFile: isStdin === true ? '-' : file,
  };
}

function nodeUrl(text: string): URL {
  const url = URL.parse(text);
  const isRight =
    url !== null && /^https?:$/.test(url.protocol) && url.username === '' && url.password === '';
  if (isRight) return url;
  // Without what was given: it may have a password in it.
  throw new UsageError('that is no address of a node, such as https://registry.example');
}
