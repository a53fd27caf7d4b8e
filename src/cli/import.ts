import { readFile } from 'node:fs/promises';
import { CommandFailed } from './command-failed.ts';
import type { ImportCommand } from './import-arguments.ts';
import { importHarbor } from './import-harbor.ts';
import { importRegsync } from './import-regsync.ts';
import { type Imported, importedText } from './imported.ts';
import { HARBOR, nodeApi } from './node-api.ts';

/** A configuration file of ours, that says what another tool is told. @throws CommandFailed */
export async function imported(command: ImportCommand): Promise<string> {
  return importedText(await contentOf(command));
}

async function contentOf(command: ImportCommand): Promise<Imported> {
  if (command.tool === 'harbor') return importHarbor(await nodeApi(command.harbor, HARBOR));
  const { file, local } = command;
  try {
    return importRegsync(await readFile(file, 'utf8'), { local });
  } catch (cause) {
    if (cause instanceof CommandFailed) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new CommandFailed(`${file}: ${why}`, { cause });
  }
}
