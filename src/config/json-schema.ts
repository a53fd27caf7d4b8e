/** Walking the JSON Schema of the configuration, which error messages, `config print` and the documentation all do. */
import type { z } from 'zod';
import type { Path } from './yaml-source.ts';

export type JsonSchema = z.core.JSONSchema.JSONSchema;

export function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The schema of one key or list item of `value`, with the choice made where a key such as `adapter` decides. */
export function childSchema(
  schema: JsonSchema | undefined,
  key: PropertyKey,
  value: unknown,
): JsonSchema | undefined {
  const chosen = schema && chooseSchema(schema, value);
  if (chosen === undefined) return undefined;
  if (typeof key === 'number') return isSchema(chosen.items) ? chosen.items : undefined;
  const named = chosen.properties?.[String(key)];
  if (isSchema(named)) return named;
  return isSchema(chosen.additionalProperties) ? chosen.additionalProperties : undefined;
}

/** Undefined where the path leads nowhere. */
export function schemaAt(root: JsonSchema, data: unknown, path: Path): JsonSchema | undefined {
  let schema: JsonSchema | undefined = root;
  let value = data;
  for (const key of path) {
    schema = childSchema(schema, key, value);
    value = valueAt(value, [key]);
  }
  return schema && chooseSchema(schema, value);
}

/** Undefined where there is nothing. */
export function valueAt(data: unknown, path: Path): unknown {
  let value = data;
  for (const key of path) {
    if (Array.isArray(value)) value = value[Number(key)];
    else value = isMapping(value) ? value[String(key)] : undefined;
  }
  return value;
}

/** Of alternatives told apart by a constant, the one that the value names; undefined where it names none. */
function chooseSchema(schema: JsonSchema, value: unknown): JsonSchema | undefined {
  if (schema.oneOf === undefined) return schema;
  return schema.oneOf
    .filter(isSchema)
    .find((option) =>
      Object.entries(option.properties ?? {}).some(
        ([key, property]) =>
          isSchema(property) &&
          property.const !== undefined &&
          property.const === valueAt(value, [key]),
      ),
    );
}

export function isSchema(schema: unknown): schema is JsonSchema {
  return isMapping(schema);
}
