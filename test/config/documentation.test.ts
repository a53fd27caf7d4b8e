import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { stringify } from 'yaml';
import { exampleOf, referenceOf } from '../../src/config/document.ts';
import { isSchema, type JsonSchema } from '../../src/config/json-schema.ts';
import { type Config, configJsonSchema, loadConfig, readConfig } from '../../src/config/load.ts';
import { printConfig } from '../../src/config/print.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const root = join(import.meta.dirname, '../..');

describe('the documentation of the configuration', () => {
  it('is up to date; `npm run docs` writes it', async () => {
    const schema = configJsonSchema();

    assert.equal(await readFile(join(root, 'config.example.yaml'), 'utf8'), exampleOf(schema));
    assert.equal(await readFile(join(root, 'docs/configuration.md'), 'utf8'), referenceOf(schema));
  });

  it('describes every key', () => {
    assert.deepEqual(undescribed(configJsonSchema(), ''), []);
  });

  it('shows as an example what a node without configuration does', async () => {
    const example = await loadConfig({
      file: join(root, 'config.example.yaml'),
      env: {},
      overrides: [],
    });

    assert.deepEqual(
      comparable(example),
      comparable(await loadConfig({ file: undefined, env: {}, overrides: [] })),
    );
  });

  it('has examples that work', async () => {
    await using directory = await temporaryDirectory();
    const secret = join(directory.path, 'secret');
    await writeFile(secret, 'x');
    const examples = Object.fromEntries(
      Object.entries(configJsonSchema().properties ?? {}).flatMap(([key, schema]) =>
        isSchema(schema) && schema.examples !== undefined ? [[key, schema.examples[0]]] : [],
      ),
    );
    const file = join(directory.path, 'config.yaml');
    await writeFile(file, stringify(examples).replaceAll('/run/secrets/hub', secret));

    const { declarations } = await loadConfig({ file, env: {}, overrides: [] });

    assert.deepEqual(
      declarations.projects.map(({ name, kind }) => [name, kind]),
      [
        ['team', 'hosted'],
        ['docker.io', 'proxy'],
      ],
    );
  });
});

describe('`config print`', () => {
  it('shows what is in effect, and no secret', async () => {
    const text = await printed(
      'admin: { password: hunter2hunter2 }\nlisten: { address: 127.0.0.1:1 }\n' +
        'endpoints: { lab: { adapter: distribution, url: https://me:hunter2hunter2@lab.example, credential: { username: me, password: "${TOKEN}" } } }\n',
    );

    assert.match(text, /address: 127\.0\.0\.1:1\n/);
    assert.match(text, /headerTimeout: 10s\n/);
    assert.match(text, /password: \(hidden\)\n/);
    assert.match(text, /username: me\n/);
    assert.doesNotMatch(text, /hunter2/);
  });

  it('shows a configuration that means the same', async () => {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, 'printed.yaml');
    await writeFile(file, await printed('projects: { team: { public: true } }\n'));

    const { declarations } = await loadConfig({ file, env: {}, overrides: [] });

    assert.deepEqual(
      declarations.projects.map(({ name, isPublic }) => [name, isPublic]),
      [['team', true]],
    );
  });
});

async function printed(text: string): Promise<string> {
  await using directory = await temporaryDirectory();
  const file = join(directory.path, 'config.yaml');
  await writeFile(file, text);
  const { data } = await readConfig({ file, env: {}, overrides: [] });
  return printConfig(data, configJsonSchema());
}

/** Without the functions of endpoints, which are equal to none. */
function comparable(config: Config): unknown {
  return JSON.parse(JSON.stringify(config));
}

/** Keys whose name would have to say it all. Sections explain themselves by their keys. */
function undescribed(schema: JsonSchema, path: string): readonly string[] {
  const here = Object.entries(schema.properties ?? {}).flatMap(([key, inner]) => {
    if (!isSchema(inner)) return [];
    const isPlain = inner.properties === undefined && inner.const === undefined;
    const isSilent = isPlain && (inner.description ?? '') === '';
    return [...(isSilent ? [`${path}${key}`] : []), ...undescribed(inner, `${path}${key}.`)];
  });
  const inner = [schema.items, schema.additionalProperties, ...(schema.oneOf ?? [])];
  return [...here, ...inner.filter(isSchema).flatMap((nested) => undescribed(nested, `${path}*.`))];
}
