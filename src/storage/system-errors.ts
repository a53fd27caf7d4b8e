import { StorageFull } from './errors.ts';

/** Whether a system call failed with that code, e.g. `ENOENT`. */
export function failedWith(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

/** Runs system calls that take up room. @throws StorageFull where there was none */
export async function takingRoom<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (failedWith(cause, 'ENOSPC') || failedWith(cause, 'EDQUOT')) {
      throw new StorageFull({ cause });
    }
    throw cause;
  }
}
