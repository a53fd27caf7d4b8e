import { parseArgs } from 'node:util';
import type { NodeAccess } from './node-api.ts';
import { accessOf, NODE_OPTIONS } from './node-arguments.ts';
import { UsageError, usageErrorOf } from './usage.ts';

/** What another tool is told, to be written in our words. */
export type ImportCommand =
  | { readonly tool: 'regsync'; readonly file: string; readonly local: string | undefined }
  | { readonly tool: 'harbor'; readonly harbor: NodeAccess };

type Environment = Readonly<Record<string, string | undefined>>;

/** @param args behind `import` @throws UsageError */
export function parseImport(args: readonly string[], env: Environment): ImportCommand {
  const { values, positionals } = parsed(args);
  const [tool, from, ...more] = positionals;
  if (tool !== 'regsync' && tool !== 'harbor') {
    throw new UsageError(
      `import ${tool ?? 'alone'} is no command; allowed: import regsync, import harbor`,
    );
  }
  if (from === undefined) {
    throw new UsageError(`import ${tool} needs ${tool === 'harbor' ? 'URL' : 'FILE'}`);
  }
  if (more.length > 0) throw new UsageError(`${more.join(' ')} is too much`);
  const { local, ...access } = values;
  if (tool === 'regsync') return { tool, file: from, local };
  return { tool, harbor: accessOf({ ...access, node: from }, env) };
}

function parsed(args: readonly string[]) {
  const { json: _json, node: _node, ...login } = NODE_OPTIONS;
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { ...login, local: { type: 'string' } },
    });
  } catch (error) {
    throw usageErrorOf(error);
  }
}
