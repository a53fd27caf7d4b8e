import { stringify } from 'yaml';
import { childSchema, isMapping, type JsonSchema } from './json-schema.ts';

const HIDDEN = '(hidden)';

/** The configuration in effect, as YAML that may be shown to anybody: defaults are filled in, secrets are not shown. */
export function printConfig(data: unknown, schema: JsonSchema): string {
  return stringify(shown(data, schema));
}

function shown(value: unknown, schema: JsonSchema | undefined): unknown {
  if (value === undefined || value === null) return value;
  if (schema?.['secret'] === true) return HIDDEN;
  if (typeof value === 'string') return value.replace(/\/\/[^/@]*@/, `//${HIDDEN}@`);
  if (Array.isArray(value)) {
    return value.map((item, index) => shown(item, childSchema(schema, index, value)));
  }
  if (!isMapping(value)) return value;
  const filled = { ...defaultsOf(schema, value), ...value };
  return Object.fromEntries(
    Object.entries(filled).map(([key, inner]) => [
      key,
      shown(inner, childSchema(schema, key, value)),
    ]),
  );
}

/** In the order of the schema; keys without a default are left out. */
function defaultsOf(
  schema: JsonSchema | undefined,
  value: Record<string, unknown>,
): Record<string, unknown> {
  const properties = Object.keys(schema?.properties ?? {});
  return Object.fromEntries(
    properties
      .map((key) => [key, value[key] ?? childSchema(schema, key, value)?.default])
      .filter(([, inner]) => inner !== undefined),
  );
}
