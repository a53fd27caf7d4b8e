import { once } from 'node:events';
import { type IncomingHttpHeaders, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { launch } from '../support/portolan.ts';

export const PASSWORD = 'an-admin-password';
export const AUTHORIZATION = `Basic ${btoa(`admin:${PASSWORD}`)}`;

/** `portolan serve` in a process of its own, on a free port of the loopback. */
export interface ServingNode extends AsyncDisposable {
  readonly url: URL;
  readonly pid: number;
  /** What it has written so far. */
  output(): { readonly stdout: string; readonly stderr: string };
  signal(name: NodeJS.Signals): void;
  /** Its exit code, null where a signal ended it. */
  ended(): Promise<number | null>;
}

export interface ServeOptions {
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Rejects with what it said, when it ends before it listens. */
export async function serve(
  folder: string,
  { args = [], env = { PORTOLAN_ADMIN_PASSWORD: PASSWORD } }: ServeOptions = {},
): Promise<ServingNode> {
  const child = launch(['serve', '--data', folder, '--listen', '127.0.0.1:0', ...args], { env });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (part: string) => (stdout += part));
  child.stderr.setEncoding('utf8').on('data', (part: string) => (stderr += part));
  const closed = once(child, 'close').then(() => child.exitCode);
  const { promise: listening, resolve } = Promise.withResolvers<URL>();
  child.stderr.on('data', () => {
    const [, url] = /listening {2}(http:\S+)/.exec(stderr) ?? [];
    if (url !== undefined) resolve(new URL(url));
  });
  const url = await Promise.race([
    listening,
    closed.then((code) => Promise.reject(new Error(`it ended with ${code}:\n${stderr}`))),
  ]);
  return {
    url,
    pid: child.pid ?? 0,
    output: () => ({ stdout, stderr }),
    signal: (name) => void child.kill(name),
    ended: () => closed,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await closed;
    },
  };
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface AskOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export async function ask(
  node: Pick<ServingNode, 'url'>,
  path: string,
  { method = 'GET', headers = {}, body }: AskOptions = {},
): Promise<Answer> {
  const sent = request(new URL(path, node.url), { method, headers, agent: false });
  sent.end(body);
  const [response] = await once(sent, 'response');
  const { statusCode: status, headers: answered } = response;
  return { status, headers: answered, body: await text(response) };
}
