/** The process: command line, configuration, signals, exit code. The only file that ends it. */
import { resolve } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { type Command, parseCommandLine } from './cli/arguments.ts';
import { backup } from './cli/backup.ts';
import { banner } from './cli/banner.ts';
import { CommandFailed } from './cli/command-failed.ts';
import { failureOf } from './cli/failure.ts';
import { HELP } from './cli/help.ts';
import { changeGroup, changeUser, type PeopleCommand } from './cli/people.ts';
import { rotateKeys } from './cli/rotate-keys.ts';
import { rotateSecrets } from './cli/rotate-secrets.ts';
import type { Streams } from './cli/streams.ts';
import { VERSION } from './cli/version.ts';
import {
  type Config,
  type ConfigSources,
  configJsonSchema,
  loadConfig,
  readConfig,
} from './config/load.ts';
import { printConfig } from './config/print.ts';
import type { PortolanNode } from './node.ts';
import { createLog, type Log } from './telemetry/log.ts';
import { logFacts } from './telemetry/log-facts.ts';

process.exit(await main());

async function main(): Promise<number> {
  const output = new AbortController();
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error) => output.abort(error));
  }
  try {
    const command = parseCommandLine(process.argv.slice(2), process.env);
    // Where nobody reads what is told, or has no room for it, there is still somebody to serve.
    if (command.name === 'serve') await serve(await loadConfig(command.sources));
    else await runToEnd(command, output.signal);
    return 0;
  } catch (error) {
    const { text, exitCode } = failureOf(error);
    process.stderr.write(`portolan: ${text}\n`);
    return exitCode;
  }
}

type Ending = Exclude<Command, { readonly name: 'serve' }>;

/** A command that ends. Who reads a part of what it tells, as `head` does, is told that part. @throws what cannot be written */
async function runToEnd(command: Ending, output: AbortSignal): Promise<void> {
  await run(command, output);
  // Of what was written last, too.
  await setImmediate();
  const reason: unknown = output.reason;
  if (reason instanceof Error && !('code' in reason && reason.code === 'EPIPE')) throw reason;
}

async function run(command: Ending, output: AbortSignal): Promise<void> {
  switch (command.name) {
    case 'help':
      process.stdout.write(HELP);
      return;
    case 'version':
      process.stdout.write(`portolan ${VERSION}\n`);
      return;
    case 'config check':
      await loadConfig(command.sources);
      process.stdout.write(`${command.sources.file ?? 'The default configuration'} is right.\n`);
      return;
    case 'config print':
      await print(command.sources);
      return;
    case 'backup':
      await backupTo(command.file, await loadConfig(command.sources));
      return;
    case 'keys rotate':
      await newSigningKey(await loadConfig(command.sources));
      return;
    case 'secrets rotate':
      await newMasterKey(await loadConfig(command.sources));
      return;
    case 'users disable':
    case 'users enable':
    case 'users sign-out':
    case 'groups add':
    case 'groups remove':
      await changePeople(command.name, command.names, await loadConfig(command.sources));
      return;
    case 'node': {
      const { runNodeCommand } = await import('./cli/node-commands.ts');
      await runNodeCommand(command.command, streams(output));
      return;
    }
    case 'import': {
      const { imported } = await import('./cli/import.ts');
      process.stdout.write(await imported(command.command));
      return;
    }
    case 'replicate': {
      const { replicate } = await import('./cli/replicate.ts');
      await replicate(command.command, streams(output));
      return;
    }
  }
}

/** What cannot be used is not shown: whoever reads it would take it for what is in effect. */
async function print(sources: ConfigSources): Promise<void> {
  await loadConfig(sources);
  const { data } = await readConfig(sources);
  process.stdout.write(printConfig(data, configJsonSchema()));
}

async function backupTo(file: string, config: Config): Promise<void> {
  const { blobs, bytes, leftOut } = await backup({ dataFolder: config.data, file });
  const without = leftOut === 0 ? '' : `; ${leftOut} cached blobs went away meanwhile`;
  process.stdout.write(`${file}: ${blobs} blobs, ${bytes} bytes${without}.\n`);
}

async function newSigningKey({ data, secrets, tokens }: Config): Promise<void> {
  if (tokens.signingKey !== undefined) {
    throw new CommandFailed(
      'the configuration gives the key (tokens.signingKey): put another one before it there, and start again',
    );
  }
  const kid = await rotateKeys({ dataFolder: data, masterKey: secrets.masterKey });
  process.stdout.write(`Tokens are signed with ${kid} from now on.\n`);
}

async function newMasterKey({ data, secrets }: Config): Promise<void> {
  const { masterKey } = secrets;
  const sealed = await rotateSecrets({ dataFolder: data, masterKey });
  const configured = masterKey === undefined ? '' : ' The configuration needs no other any more.';
  process.stdout.write(`${sealed} secrets are sealed with the new master key.${configured}\n`);
}

async function changePeople(
  command: PeopleCommand,
  [first = '', second = '']: readonly string[],
  { data }: Config,
): Promise<void> {
  const isGroup = command === 'groups add' || command === 'groups remove';
  const done = isGroup
    ? await changeGroup(data, command, { group: first, user: second })
    : await changeUser(data, command, first);
  process.stdout.write(`${done}\n`);
}

async function serve(config: Config): Promise<void> {
  const { level, accessLog, format } = config.telemetry;
  const isPretty = format === 'pretty' || (format === 'auto' && process.stdout.isTTY);
  const log = createLog({ level, format: isPretty ? 'pretty' : 'json' });
  using facts = new DisposableStack();
  facts.use(logFacts(log, { accessLog }));
  process.once('uncaughtException', (error) => crash(error, log));

  // Here, so that the other commands need not load a server.
  const { startNode } = await import('./node.ts');
  const node = await startNode(config, { version: VERSION });
  // Standard output is for lines that programs read, where they are read by programs.
  (isPretty ? process.stdout : process.stderr).write(welcome(config, node));
  log.info({ version: VERSION, addresses: node.addresses }, 'ready');

  const signal = await firstSignal();
  log.info({ signal, deadlineMs: config.listen.shutdownDeadline }, 'stopping');
  log.flush();
  await node.close({ deadlineMs: config.listen.shutdownDeadline });
  log.info({}, 'stopped');
  log.flush();
}

/** A signal ends what a command waits for, and so does output that nobody takes; a second signal ends the command. */
function streams(output: AbortSignal): Streams {
  const stop = new AbortController();
  void firstSignal().then((signal) => stop.abort(new Error(signal)));
  const signal = AbortSignal.any([stop.signal, output]);
  return { stdout: process.stdout, stderr: process.stderr, signal };
}

/** A later one leaves at once, whatever is still going on. */
function firstSignal(): Promise<string> {
  const { promise, resolve: resolveFirst } = Promise.withResolvers<string>();
  let isTold = false;
  for (const name of ['SIGTERM', 'SIGINT'] as const) {
    process.on(name, () => {
      if (isTold) process.exit(1);
      isTold = true;
      resolveFirst(name);
    });
  }
  return promise;
}

/** Nothing that was acknowledged is lost with the process; going on with a state that nobody foresaw could lose it. */
function crash(error: unknown, log: Log): void {
  log.error({ error }, 'unexpected failure');
  log.flush();
  process.stderr.write(`portolan: ${failureOf(error).text}\n`);
  process.exit(1);
}

function welcome(config: Config, node: PortolanNode): string {
  const { addresses, projects, generatedPassword } = node;
  return banner({
    version: VERSION,
    addresses,
    projects,
    generatedPassword,
    externalUrl: config.listen.externalUrl,
    isTls: config.listen.tls !== undefined,
    dataFolder: resolve(config.data),
    urls: new Map(Object.entries(config.endpoints).map(([name, { url }]) => [name, url.href])),
  });
}
