import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { clientEnvironment, must, type Ran, run } from './processes.ts';

/** What podman, buildah and skopeo share: one configuration, one storage, nothing of the machine's. */
export interface Containers {
  readonly podman: (...args: string[]) => Promise<string>;
  readonly buildah: (...args: string[]) => Promise<string>;
  readonly skopeo: (...args: string[]) => Promise<string>;
  /** Runs one of the three to its end, whatever its exit code. */
  readonly attempt: (client: 'podman' | 'buildah' | 'skopeo', ...args: string[]) => Promise<Ran>;
}

/**
 * @param registries the content of `registries.conf`: where names lead to
 * @param options.logins credentials (`name:password`) by host
 */
export async function containersIn(
  folder: string,
  registries: string,
  { logins = {} }: { logins?: Readonly<Record<string, string>> } = {},
): Promise<Containers> {
  const at = (name: string): string => join(folder, name);
  const auths = Object.entries(logins).map(([host, login]) => [host, { auth: btoa(login) }]);
  const files = {
    '.config/containers/registries.conf': registries,
    'auth.json': JSON.stringify({ auths: Object.fromEntries(auths) }),
    'storage.conf': storageConfiguration(at),
    'containers.conf': containersConfiguration(at),
    '.config/containers/policy.json': '{"default":[{"type":"insecureAcceptAnything"}]}',
  };
  for (const [name, content] of Object.entries(files)) {
    await mkdir(join(at(name), '..'), { recursive: true });
    await writeFile(at(name), content);
  }
  const env = clientEnvironment(folder, {
    CONTAINERS_STORAGE_CONF: at('storage.conf'),
    CONTAINERS_CONF: at('containers.conf'),
    REGISTRY_AUTH_FILE: at('auth.json'),
    XDG_RUNTIME_DIR: folder,
    BUILDAH_ISOLATION: 'chroot',
  });
  return {
    podman: (...args) => must('podman', args, { env }),
    buildah: (...args) => must('buildah', args, { env }),
    skopeo: (...args) => must('skopeo', args, { env }),
    attempt: (client, ...args) => run(client, args, { env }),
  };
}

// vfs copies instead of mounting: nothing is left to unmount when a test ends half-way.
const storageConfiguration = (at: (name: string) => string): string => `
[storage]
driver = "vfs"
graphroot = "${at('storage')}"
runroot = "${at('run')}"
`;

// The limits: the machine's hard limit of open files is below what podman asks for by default.
const containersConfiguration = (at: (name: string) => string): string => `
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]

[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
tmp_dir = "${at('libpod')}"
volume_path = "${at('volumes')}"
`;
