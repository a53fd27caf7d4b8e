/** What registries are full of, made by the clients that people make it with. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { makeImage } from './images.ts';
import { clientEnvironment, must } from './processes.ts';
import type { Registry } from './registries.ts';
import { digestAt } from './wire.ts';

/** The repositories that {@link Clients.seed} fills. */
export const REPOSITORIES = ['matrix/app', 'matrix/charts/c'] as const;
const SBOM = 'application/vnd.example.sbom';
const VERSION = '0.2.0+build';
const CHART = `c-${VERSION}.tgz`;
const Discovered = z.object({ referrers: z.array(z.object({ digest: z.string() })).nullish() });

export interface Side extends Pick<Registry, 'host' | 'url'> {
  /** `name:password` for clients. */
  readonly login: string | undefined;
}

export interface Clients {
  /**
   * An image, the same in Docker's form, an index of two platforms, a chart; a bill of materials on the image and on the
   * index; signatures of the image in both of cosign's forms.
   */
  seed(side: Side): Promise<void>;
  /** Digests of what refers to it, as oras finds them. */
  discover(reference: string): Promise<readonly string[]>;
  /** Rejects unless cosign finds both signatures, and that they are right. */
  verify(reference: string): Promise<void>;
  /** Rejects unless helm gets the chart. */
  pullChart(repository: string): Promise<void>;
}

export async function clientsIn(folder: string, sides: readonly Side[]): Promise<Clients> {
  const logins = sides.flatMap(({ host, login }) =>
    login === undefined ? [] : [[host, { auth: btoa(login) }]],
  );
  await mkdir(folder, { recursive: true });
  await writeFile(
    join(folder, 'config.json'),
    JSON.stringify({ auths: Object.fromEntries(logins) }),
  );
  const env = clientEnvironment(folder, {
    DOCKER_CONFIG: folder,
    REGISTRY_AUTH_FILE: join(folder, 'config.json'),
    HELM_REGISTRY_CONFIG: join(folder, 'config.json'),
    COSIGN_PASSWORD: '',
  });
  const client =
    (command: string) =>
    (...args: string[]): Promise<string> =>
      must(command, args, { cwd: folder, env });
  const [cosign, oras, helm] = [client('cosign'), client('oras'), client('helm')];
  const layout = await makeImage(folder, folder);
  await cosign('generate-key-pair');
  await cosign('signing-config', 'create', '--out', 'signing-config.json');
  await cosign('trusted-root', 'create', '--out', 'trusted-root.json');
  await helm('create', 'c');
  await helm('package', 'c', '--version', VERSION);
  await writeFile(join(folder, 'sbom.json'), '{"components":[]}');
  const bundle = ['--signing-config', 'signing-config.json', '--trusted-root', 'trusted-root.json'];
  const older = ['--use-signing-config=false', '--tlog-upload=false', '--new-bundle-format=false'];

  return {
    async seed({ host, url, login }) {
      const [skopeo, crane] = [client('skopeo'), client('crane')];
      const app = `${host}/matrix/app`;
      const copy = ['copy', '--insecure-policy', '--dest-tls-verify=false', layout];
      await skopeo(...copy, `docker://${app}:image`);
      await skopeo(...copy, `docker://${app}:docker`, '--format', 'v2s2');
      await crane('mutate', `${app}:image`, '--set-platform', 'linux/arm64', '-t', `${app}:arm64`);
      await crane(
        'index',
        'append',
        '-t',
        `${app}:index`,
        '-m',
        `${app}:image`,
        '-m',
        `${app}:arm64`,
      );
      for (const tag of ['image', 'index']) {
        await oras('attach', '--plain-http', '--artifact-type', SBOM, `${app}:${tag}`, 'sbom.json');
      }
      const image = `${app}@${await digestAt(url, 'matrix/app', 'image', login)}`;
      for (const form of [bundle, older]) {
        const key = ['--yes', '--key', 'cosign.key', '--allow-http-registry'];
        await cosign('sign', ...key, ...form, image);
      }
      await helm('push', CHART, `oci://${host}/matrix/charts`, '--plain-http');
    },
    async discover(reference) {
      const found = await oras('discover', '--plain-http', '--format', 'json', reference);
      const { referrers } = Discovered.parse(JSON.parse(found));
      return (referrers ?? []).map(({ digest }) => digest).toSorted();
    },
    async verify(reference) {
      const key = ['--key', 'cosign.pub', '--insecure-ignore-tlog=true', '--allow-http-registry'];
      await cosign('verify', ...key, '--trusted-root', 'trusted-root.json', reference);
      await cosign('verify', ...key, '--new-bundle-format=false', reference);
    },
    async pullChart(repository) {
      const to = await mkdtemp(join(folder, 'chart-'));
      const pull = ['pull', `oci://${repository}`, '--version', VERSION, '--plain-http'];
      await helm(...pull, '--destination', to);
      assert.deepEqual(await readFile(join(to, CHART)), await readFile(join(folder, CHART)));
    },
  };
}
