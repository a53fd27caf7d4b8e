import { randomBytes } from 'node:crypto';
import { copyFile, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { clientEnvironment, must } from './processes.ts';

/**
 * A runnable image made from busybox, as an OCI layout: `<folder>/oci:latest`. The marker makes its digests its own.
 *
 * @param options.ballast so many further layers of 8 MiB that nobody can compress
 * @returns the reference that skopeo takes
 */
export async function makeImage(
  folder: string,
  marker: string,
  { ballast = 0 }: { ballast?: number } = {},
): Promise<string> {
  const root = join(folder, 'rootfs');
  await mkdir(join(root, 'bin'), { recursive: true });
  await copyFile('/bin/busybox', join(root, 'bin/busybox'));
  for (const applet of ['sh', 'cat', 'echo', 'ls']) {
    await symlink('busybox', join(root, 'bin', applet));
  }
  await writeFile(join(root, 'marker'), marker);
  const options = { cwd: folder, env: clientEnvironment(folder) };
  await must('umoci', ['init', '--layout', 'oci'], options);
  await must('umoci', ['new', '--image', 'oci:latest'], options);
  await must('umoci', ['insert', '--rootless', '--image', 'oci:latest', 'rootfs', '/'], options);
  for (let layer = 1; layer <= ballast; layer++) {
    await writeFile(join(folder, 'ballast'), randomBytes(8 << 20));
    const insert = [
      'insert',
      '--rootless',
      '--image',
      'oci:latest',
      'ballast',
      `/ballast-${layer}`,
    ];
    await must('umoci', insert, options);
  }
  await must(
    'umoci',
    [
      'config',
      '--image',
      'oci:latest',
      '--config.cmd',
      '/bin/cat',
      '--config.cmd',
      '/marker',
      '--os',
      'linux',
      '--architecture',
      'amd64',
    ],
    options,
  );
  return `oci:${join(folder, 'oci')}:latest`;
}

/** Copies an image into a registry over plain HTTP; returns the manifest's digest there. */
export async function pushImage(
  source: string,
  target: string,
  { folder, credentials }: { folder: string; credentials?: string },
): Promise<string> {
  const env = clientEnvironment(folder);
  await must(
    'skopeo',
    [
      'copy',
      '--insecure-policy',
      '--dest-tls-verify=false',
      '--src-tls-verify=false',
      ...(credentials === undefined ? [] : ['--dest-creds', credentials]),
      source,
      `docker://${target}`,
    ],
    { env },
  );
  return must(
    'skopeo',
    [
      'inspect',
      '--tls-verify=false',
      '--format',
      '{{.Digest}}',
      ...(credentials === undefined ? [] : ['--creds', credentials]),
      `docker://${target}`,
    ],
    { env },
  );
}
