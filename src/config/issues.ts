/** What zod found wrong, in the operator's words: where, what was found, what is allowed. */
import type { z } from 'zod';
import { isMapping, type JsonSchema, schemaAt, valueAt } from './json-schema.ts';
import type { Path } from './yaml-source.ts';

export interface Problem {
  readonly path: Path;
  readonly text: string;
}

const TYPES: Readonly<Record<string, string>> = {
  string: 'text',
  boolean: 'true or false',
  number: 'a number',
  int: 'a whole number',
  array: 'a list',
  object: 'a mapping',
  record: 'a mapping',
};

/** Fills in for schemas that do not say themselves what they allow. */
export function allowedBy(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code === 'invalid_type') return TYPES[issue.expected] ?? issue.expected;
  if (issue.code === 'invalid_value') return issue.values.map(String).join(', ');
  if (issue.code === 'invalid_union') {
    return Array.isArray(issue['options']) ? issue['options'].map(String).join(', ') : undefined;
  }
  if (issue.code === 'too_small') return limit(issue.origin, 'or more', 'at least', issue.minimum);
  if (issue.code === 'too_big') return limit(issue.origin, 'or less', 'at most', issue.maximum);
  return undefined;
}

function limit(
  origin: string,
  ofNumbers: string,
  ofOthers: string,
  bound: number | bigint,
): string {
  if (origin === 'number' || origin === 'int') return `${bound} ${ofNumbers}`;
  return `${ofOthers} ${bound} ${origin === 'string' ? 'characters' : 'entries'}`;
}

/** `data` is as the operator wrote it, so that no message shows a secret that a file or the environment holds. */
export function problemsOf(
  issue: z.core.$ZodIssue,
  { data, schema }: { data: unknown; schema: JsonSchema },
): readonly Problem[] {
  const { path } = issue;
  if (issue.code === 'unrecognized_keys') {
    const keys = Object.keys(schemaAt(schema, data, path)?.properties ?? {});
    return issue.keys.map((key) => ({
      path: [...path, key],
      text: `unknown key; allowed here: ${keys.join(', ')}`,
    }));
  }
  if (issue.code === 'invalid_key') {
    const allowed = issue.issues[0]?.message ?? issue.message;
    return [{ path, text: `found the name ${JSON.stringify(path.at(-1))}; allowed: ${allowed}` }];
  }
  // A check of several keys together says what is missing, not what the mapping should be.
  if (issue.code === 'custom' && isMapping(valueAt(data, path))) {
    return [{ path, text: issue.message }];
  }
  const found = foundAt(data, path, schemaAt(schema, data, path)?.['secret'] === true);
  return [{ path, text: `found ${found}; allowed: ${issue.message}` }];
}

function foundAt(data: unknown, path: Path, isSecret: boolean): string {
  const value = valueAt(data, path);
  if (value === undefined || value === null) return 'nothing';
  if (isSecret) return 'a value that is not shown';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a mapping';
  const text = JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

/** `projects."docker.io".proxy.freshness[0].ttl` */
export function pathText(path: Path): string {
  return path
    .map((key, index) => {
      if (typeof key === 'number') return `[${key}]`;
      const name = /^[\w-]+$/.test(String(key)) ? String(key) : JSON.stringify(String(key));
      return index === 0 ? name : `.${name}`;
    })
    .join('');
}
