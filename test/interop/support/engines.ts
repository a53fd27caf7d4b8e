import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { clientEnvironment, type Daemon, must, run, startDaemon } from './processes.ts';

export interface Docker extends Daemon {
  /** Runs the docker client; its output. Rejects when it fails. */
  docker(...args: string[]): Promise<string>;
  /** Runs `docker build` with one of dockerd's two builders. */
  build(builder: 'classic' | 'buildkit', ...args: string[]): Promise<string>;
  /** The folder of the client's `config.json`. */
  readonly configFolder: string;
}

/** A dockerd of its own, without network and without a touch to the machine's firewall. */
export async function startDockerd(
  folder: string,
  options: { mirror?: string; dockerHubLogin?: string } = {},
): Promise<Docker> {
  const configFolder = join(folder, 'client');
  await mkdir(configFolder, { recursive: true });
  const auths =
    options.dockerHubLogin === undefined
      ? {}
      : { 'https://index.docker.io/v1/': { auth: btoa(options.dockerHubLogin) } };
  await writeFile(join(configFolder, 'config.json'), JSON.stringify({ auths }));
  const socket = `unix://${join(folder, 'docker.sock')}`;
  const env = clientEnvironment(folder, { DOCKER_CONFIG: configFolder });
  const daemon = await startDaemon(
    'dockerd',
    [
      '--iptables=false',
      '--ip6tables=false',
      '--ip-forward=false',
      '--ip-masq=false',
      '--bridge=none',
      '--data-root',
      join(folder, 'data'),
      '--exec-root',
      join(folder, 'exec'),
      '-H',
      socket,
      '--pidfile',
      join(folder, 'docker.pid'),
      '--debug',
      ...(options.mirror === undefined ? [] : ['--registry-mirror', options.mirror]),
    ],
    {
      env,
      logFile: join(folder, 'dockerd.log'),
      isReady: async () => (await run('docker', ['-H', socket, 'version'], { env })).code === 0,
    },
  );
  return {
    ...daemon,
    configFolder,
    docker: (...args) => must('docker', ['-H', socket, ...args], { env }),
    build: (builder, ...args) =>
      must('docker', ['-H', socket, 'build', '--network', 'none', ...args], {
        env: { ...env, DOCKER_BUILDKIT: builder === 'buildkit' ? '1' : '0' },
      }),
    async [Symbol.asyncDispose]() {
      await daemon[Symbol.asyncDispose]();
      await run('umount', [join(folder, 'exec/netns/default')]);
    },
  };
}
