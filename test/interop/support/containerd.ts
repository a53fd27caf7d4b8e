import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { clientEnvironment, type Daemon, must, type Ran, run, startDaemon } from './processes.ts';

export interface Containerd extends Daemon {
  /** Runs `ctr` against it; its output. Rejects when it fails. */
  ctr(...args: string[]): Promise<string>;
  attempt(...args: string[]): Promise<Ran>;
  /** The folder of `<registry host>/hosts.toml`, for `--hosts-dir`. */
  readonly hosts: string;
}

/**
 * A containerd of its own.
 *
 * @param hosts the content of `hosts.toml` by registry host; `_default` is for all others
 */
export async function startContainerd(
  folder: string,
  hosts: Readonly<Record<string, string>>,
): Promise<Containerd> {
  const at = (name: string): string => join(folder, name);
  for (const [host, content] of Object.entries(hosts)) {
    await mkdir(at(`hosts/${host}`), { recursive: true });
    await writeFile(at(`hosts/${host}/hosts.toml`), content);
  }
  await mkdir(at('hosts'), { recursive: true });
  await writeFile(
    at('config.toml'),
    `version = 2
root = "${at('root')}"
state = "${at('state')}"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "${at('c.sock')}"
[ttrpc]
  address = "${at('t.sock')}"
`,
  );
  const env = clientEnvironment(folder);
  const socket = ['--address', at('c.sock')];
  const daemon = await startDaemon('containerd', ['--config', at('config.toml')], {
    env,
    logFile: at('containerd.log'),
    isReady: async () => (await run('ctr', [...socket, 'version'], { env })).code === 0,
  });
  return {
    ...daemon,
    hosts: at('hosts'),
    ctr: (...args) => must('ctr', [...socket, ...args], { env }),
    attempt: (...args) => run('ctr', [...socket, ...args], { env }),
  };
}
