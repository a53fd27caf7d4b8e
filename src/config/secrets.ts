import { readFile } from 'node:fs/promises';
import type { Problem } from './issues.ts';
import { isMapping } from './json-schema.ts';
import type { Path } from './yaml-source.ts';

/** Keys that name a file, and the key that what it holds is put at. */
export const FILE_KEYS = [
  { file: 'passwordFile', content: 'password' },
  { file: 'masterKeyFile', content: 'masterKey' },
  { file: 'signingKeyFile', content: 'signingKey' },
] as const;
const REFERENCE = /\$(\$?)\{([A-Za-z_][A-Za-z0-9_]*)\}/g;

export interface Resolved {
  readonly data: unknown;
  readonly problems: readonly Problem[];
}

/**
 * Puts secrets in their place: `${NAME}` in any text is the environment's value of that name (`$${NAME}` stays as
 * text), and `passwordFile: <path>` becomes `password: <what the file holds, without its last line break>`, as
 * {@link FILE_KEYS} has them.
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

  async function contentOf(file: string, path: Path): Promise<string> {
    try {
      const content = (await readFile(file, 'utf8')).replace(/\r?\n$/, '');
      if (content !== '') return content;
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
    let resolved = Object.fromEntries(await Promise.all(entries));
    for (const keys of FILE_KEYS) resolved = await withContent(resolved, keys, path);
    return resolved;
  }

  async function withContent(
    mapping: Record<string, unknown>,
    keys: (typeof FILE_KEYS)[number],
    path: Path,
  ): Promise<Record<string, unknown>> {
    const { [keys.file]: file, ...rest } = mapping;
    if (typeof file !== 'string') return mapping;
    if (keys.content in rest) {
      const text = `has ${keys.content} and ${keys.file}; allowed: one of them`;
      problems.push({ path, text });
      return rest;
    }
    return { ...rest, [keys.content]: await contentOf(file, [...path, keys.file]) };
  }

  return { data: await resolve(data, []), problems };
}
