import { access, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { must, TOOLS } from './processes.ts';

const INSTALL_MS = 300_000;

/**
 * A Python that has one package of PyPI (`name==version`), in an environment of its own that is made once and kept
 * beside the other tools; its path.
 */
export async function pythonWith(requirement: string): Promise<string> {
  const folder = join(TOOLS, `python-${requirement.replace('==', '-')}`);
  const python = join(folder, 'bin/python');
  const mark = join(folder, 'whole');
  const isWhole = await access(mark).then(
    () => true,
    () => false,
  );
  if (isWhole) return python;
  await mkdir(TOOLS, { recursive: true });
  await rm(folder, { recursive: true, force: true });
  await must('python3', ['-m', 'venv', folder], { timeoutMs: INSTALL_MS });
  const install = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', requirement];
  await must(python, install, { timeoutMs: INSTALL_MS });
  await writeFile(mark, '');
  return python;
}
