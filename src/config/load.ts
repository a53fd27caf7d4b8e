import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { certificateProblems } from './certificate.ts';
import { crossCheck, type Parsed } from './cross-checks.ts';
import { type Declarations, declarationsOf } from './declarations.ts';
import { allowedBy, type Problem, pathText, problemsOf } from './issues.ts';
import { isMapping, type JsonSchema, valueAt } from './json-schema.ts';
import { ConfigurationInvalid } from './problems.ts';
import { withWellKnownEndpoints } from './registries.ts';
import { ConfigSchema } from './schema.ts';
import { FILE_KEYS, resolveSecrets } from './secrets.ts';
import { type Path, readYaml, type YamlSource } from './yaml-source.ts';

/** Everything the operator decides, with defaults filled in and secrets resolved. */
export interface Config extends Omit<Parsed, 'projects'> {
  /** What the file says of projects and endpoints, for the database. */
  readonly declarations: Declarations;
}

/** A value that wins over the file's, and what to call it in messages: `--listen`, `PORTOLAN_LISTEN`. */
export interface Override {
  readonly origin: string;
  readonly path: Path;
  readonly value: string;
}

export interface ConfigSources {
  /** A YAML file; without one everything has its default. */
  readonly file: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The last of two for one path wins. */
  readonly overrides: readonly Override[];
}

/** The configuration as written, with its overrides, before anything is checked or resolved. */
export interface WrittenConfig {
  readonly data: unknown;
  /** `config.yaml`, or what else the operator calls it. */
  readonly source: string;
  /** Where in the sources a path comes from: `line 3, listen.address`. */
  readonly locate: (path: Path) => string;
}

export function configJsonSchema(): JsonSchema {
  return z.toJSONSchema(ConfigSchema, {
    io: 'input',
    // zod 4.6 leaves out the examples of schemas that transform, taking them for the output's.
    override({ zodSchema, jsonSchema }) {
      const examples = z.globalRegistry.get(zodSchema)?.['examples'];
      if (Array.isArray(examples)) jsonSchema.examples = examples;
    },
  });
}

/** @throws ConfigurationInvalid with every problem there is, each with its place */
export async function loadConfig(sources: ConfigSources): Promise<Config> {
  const written = await readConfig(sources);
  const resolved = await resolveSecrets(written.data, sources.env);
  const {
    success,
    data: parsed,
    error,
  } = ConfigSchema.safeParse(resolved.data, { error: allowedBy });
  if (!success || resolved.problems.length > 0) {
    const context = { data: written.data, schema: configJsonSchema() };
    const issues = error?.issues ?? [];
    throw invalid(written, [
      ...resolved.problems,
      ...issues.flatMap((issue) => problemsOf(issue, context)),
    ]);
  }
  const problems = [...crossCheck(parsed, resolved.data), ...(await certificateProblems(parsed))];
  if (problems.length > 0) throw invalid(written, problems);
  const { projects: _projects, ...rest } = parsed;
  return { ...rest, declarations: declarationsOf(parsed, resolved.data) };
}

/** @throws ConfigurationInvalid when the file cannot be read or is no YAML */
export async function readConfig({ file, overrides }: ConfigSources): Promise<WrittenConfig> {
  const source = file ?? 'the configuration';
  const yaml: YamlSource =
    file === undefined ? { data: {}, lineOf: () => undefined } : readYaml(await textOf(file), file);
  const data = overrides.reduce(
    (changed, { path, value }) => withValue(changed, path, value),
    withWellKnownEndpoints(yaml.data),
  );
  const origins = new Map(overrides.map(({ path, origin }) => [pathText(path), origin]));
  return {
    data,
    source,
    locate: (path) => {
      const text = pathText(path);
      const origin = origins.get(text);
      if (origin !== undefined) return `${origin} (${text})`;
      const line = yaml.lineOf(path);
      return [line === undefined ? '' : `line ${line}`, text]
        .filter((part) => part !== '')
        .join(', ');
    },
  };
}

async function textOf(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    throw new ConfigurationInvalid(file, [`it cannot be read (${code})`]);
  }
}

function invalid(
  { source, locate }: WrittenConfig,
  problems: readonly Problem[],
): ConfigurationInvalid {
  return new ConfigurationInvalid(
    source,
    problems.map(({ path, text }) => (path.length === 0 ? text : `${locate(path)}: ${text}`)),
  );
}

function withValue(data: unknown, [key, ...rest]: Path, value: string): unknown {
  if (key === undefined) return value;
  if (data !== undefined && data !== null && !isMapping(data)) return data;
  const inner = withValue(valueAt(data, [key]), rest, value);
  const changed: Record<string, unknown> = { ...data, [key]: inner };
  for (const { file, content } of FILE_KEYS) {
    if (key === content) delete changed[file];
  }
  return changed;
}
