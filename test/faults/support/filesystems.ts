import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { must, run } from '../../interop/support/processes.ts';

export interface Disk extends AsyncDisposable {
  readonly mountPoint: string;
}

export interface LoopDisk extends Disk {
  /** What was not synced by now is gone, as when the plug is pulled; nothing can be written any more. */
  losePower(): Promise<void>;
  /** Replays the journal, as a machine does when it starts. */
  mountAgain(): Promise<void>;
}

/** A filesystem in a file of `folder`, mounted there. Needs root. */
export async function loopFilesystem(
  folder: string,
  kind: 'ext4' | 'xfs',
  megabytes = 1024,
): Promise<LoopDisk> {
  const image = join(folder, `${kind}.img`);
  const mountPoint = join(folder, kind);
  await mkdir(mountPoint);
  await must('truncate', ['-s', `${megabytes}M`, image]);
  await must(`mkfs.${kind}`, ['-q', image]);
  const mount = () => must('mount', ['-o', 'loop', image, mountPoint]);
  await mount();
  return {
    mountPoint,
    losePower: async () => {
      await must('xfs_io', ['-x', '-c', 'shutdown', mountPoint]);
    },
    mountAgain: async () => {
      await must('umount', [mountPoint]);
      await mount();
    },
    async [Symbol.asyncDispose]() {
      await run('umount', [mountPoint]);
    },
  };
}

/** A filesystem that is soon full. Needs root. */
export async function smallFilesystem(folder: string, megabytes: number): Promise<Disk> {
  const mountPoint = join(folder, 'small');
  await mkdir(mountPoint);
  await must('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', mountPoint]);
  return {
    mountPoint,
    async [Symbol.asyncDispose]() {
      await run('umount', [mountPoint]);
    },
  };
}
