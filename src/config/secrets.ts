import { readFile } from 'node:fs/promises';
import type { Problem } from './issues.ts';
import { isMapping } from './json-schema.ts';
import type { Path } from './yaml-source.ts';

const REFERENCE = /\$(\$?)\{([A-Za-z_][A-Za-z0-9_]*)\}/g;

export interface Resolved {
  readonly data: unknown;
  readonly problems: readonly Problem[];
}

/**
 * Puts secrets in their place: `${NAME}` in any text is the environment's value of that name (`$${NAME}` stays as
 * text), and `passwordFile: <path>` becomes `password: <what the file holds, without its last line break>`.
 */
export async function resolveSecrets(
  data: unknown,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Resolved> {
  const problems: Problem[] = [];

  function textOf(text: string, path: Path): string {
    return text.replaceAll(REFERENCE, (whole, escape: string, name: string) => {
      if (escape !== '') return whole.slice(1);
      const value = env[name];
      if (value !== undefined) return value;
      problems.push({ path, text: `found ${whole}; the environment has no ${name}` });
      return whole;
    });
  }

  async function passwordIn(file: string, path: Path): Promise<string> {
    try {
      const password = (await readFile(file, 'utf8')).replace(/\r?\n$/, '');
      if (password !== '') return password;
      problems.push({ path, text: `found ${file}, which is empty` });
    } catch (error) {
      const reason = error instanceof Error && 'code' in error ? error.code : error;
      problems.push({ path, text: `found ${file}, which cannot be read (${String(reason)})` });
    }
    return file;
  }

  async function resolve(value: unknown, path: Path): Promise<unknown> {
    if (typeof value === 'string') return textOf(value, path);
    if (Array.isArray(value)) {
      return Promise.all(value.map((item, index) => resolve(item, [...path, index])));
    }
    if (!isMapping(value)) return value;
    const entries = Object.entries(value).map(
      async ([key, inner]) => [key, await resolve(inner, [...path, key])] as const,
    );
    const resolved = Object.fromEntries(await Promise.all(entries));
    const { passwordFile, ...rest } = resolved;
    if (typeof passwordFile !== 'string') return resolved;
    if ('password' in rest) {
      problems.push({ path, text: 'has password and passwordFile; allowed: one of them' });
      return rest;
    }
    return { ...rest, password: await passwordIn(passwordFile, [...path, 'passwordFile']) };
  }

  return { data: await resolve(data, []), problems };
}
