/**
 * Logins that docker and podman keep: `config.json` of docker (https://docs.docker.com/reference/cli/docker/login/,
 * credential helpers included), `auth.json` of containers-auth.json(5), which has the same form.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { z } from 'zod';
import { CommandFailed } from './command-failed.ts';

type Environment = Readonly<Record<string, string | undefined>>;

export interface Login {
  readonly username: string;
  readonly password: string;
}

const Logins = z.object({
  auths: z
    .record(
      z.string(),
      z.object({ auth: z.string().optional(), identitytoken: z.string().optional() }),
    )
    .optional(),
  credsStore: z.string().optional(),
  credHelpers: z.record(z.string(), z.string()).optional(),
});
type Logins = z.infer<typeof Logins>;

const Helped = z.object({ Username: z.string(), Secret: z.string() });

/** As docker calls Docker Hub. */
const DOCKER_HUB = ['https://index.docker.io/v1/', 'docker.io', 'index.docker.io'];
/** In place of a user's name: the secret is a token of another kind. */
const IDENTITY = '<token>';
const HELPER_MS = 30_000;

/** The login for a registry, of the first file that has one. @throws CommandFailed where one cannot be used */
export async function dockerLogin(host: string, env: Environment): Promise<Login | undefined> {
  for (const file of filesIn(env)) {
    const logins = await loginsIn(file);
    const found = logins && (await loginFor(host, logins, env));
    if (found !== undefined) return found;
  }
  return undefined;
}

function filesIn(env: Environment): readonly string[] {
  const { REGISTRY_AUTH_FILE: only, XDG_RUNTIME_DIR: runtime, HOME: home } = env;
  if (only) return [only];
  const configs = env['XDG_CONFIG_HOME'] || (home && join(home, '.config'));
  const docker = env['DOCKER_CONFIG'] || (home && join(home, '.docker'));
  return [
    ...(runtime ? [join(runtime, 'containers/auth.json')] : []),
    ...(configs ? [join(configs, 'containers/auth.json')] : []),
    ...(docker ? [join(docker, 'config.json')] : []),
  ];
}

async function loginsIn(file: string): Promise<Logins | undefined> {
  let json: string;
  try {
    json = await readFile(file, 'utf8');
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined;
    throw new CommandFailed(`${file} cannot be read`, { cause });
  }
  try {
    return Logins.parse(JSON.parse(json));
  } catch (cause) {
    throw new CommandFailed(`${file} has no logins as docker keeps them`, { cause });
  }
}

async function loginFor(
  host: string,
  { auths = {}, credHelpers = {}, credsStore }: Logins,
  env: Environment,
): Promise<Login | undefined> {
  const keys = DOCKER_HUB.includes(host)
    ? DOCKER_HUB
    : [host, `https://${host}`, `https://${host}/v1/`, `https://${host}/v2/`];
  for (const key of keys) {
    const helper = credHelpers[key] ?? credsStore;
    const helped = helper === undefined ? undefined : await askHelper(helper, key, env);
    const { auth = '', identitytoken } = auths[key] ?? {};
    if (helped === undefined && identitytoken !== undefined) throw unusable(host);
    const login = helped ?? loginOf(Buffer.from(auth, 'base64').toString());
    if (login?.username === IDENTITY) throw unusable(host);
    if (login !== undefined) return login;
  }
  return undefined;
}

function loginOf(pair: string): Login | undefined {
  const colon = pair.indexOf(':');
  if (colon < 1) return undefined;
  return { username: pair.slice(0, colon), password: pair.slice(colon + 1) };
}

function unusable(host: string): CommandFailed {
  return new CommandFailed(
    `the login for ${host} is an identity token, which only the tool that got it can use: log in with a password`,
  );
}

/** `docker-credential-<helper> get`: undefined where it knows none. */
async function askHelper(
  helper: string,
  server: string,
  env: Environment,
): Promise<Login | undefined> {
  if (!/^[\w.-]+$/.test(helper)) throw new CommandFailed(`${helper} is no credential helper`);
  const child = spawn(`docker-credential-${helper}`, ['get'], {
    env: { ...env },
    stdio: ['pipe', 'pipe', 'ignore'],
    timeout: HELPER_MS,
  });
  // One that is not there, or does not read, says so by its end.
  child.stdin.on('error', () => {});
  child.stdin.end(server);
  try {
    const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'close')]);
    if (code !== 0) return undefined;
    const { Username: username, Secret: password } = Helped.parse(JSON.parse(output));
    return { username, password };
  } catch (cause) {
    throw new CommandFailed(`docker-credential-${helper} does not work`, { cause });
  }
}
