/** Harbor's description of its API, and whether an answer is what it says. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv, type ValidateFunction } from 'ajv';
import { parse } from 'yaml';
import { z } from 'zod';
import type { Answer } from '../../support/client.ts';

const Schema = z.record(z.string(), z.unknown());
const Response = z.object({
  schema: Schema.optional(),
  headers: z.record(z.string(), z.unknown()).default({}),
});
const Operation = z.object({
  operationId: z.string(),
  tags: z.array(z.string()),
  responses: z.record(z.string(), z.union([z.object({ $ref: z.string() }), Response])),
});
const Contract = z.object({
  paths: z.record(z.string(), z.record(z.string(), z.unknown())),
  responses: z.record(z.string(), Response),
  definitions: z.record(z.string(), Schema),
});

export interface ContractOperation {
  readonly operation: string;
  readonly tag: string;
  /** In capitals. */
  readonly method: string;
  readonly path: string;
  /** Declared statuses, in order. */
  readonly statuses: readonly number[];
}

interface Declared extends ContractOperation {
  readonly pattern: RegExp;
  readonly responses: ReadonlyMap<number, z.infer<typeof Response>>;
}

/**
 * What a request gets that the contract does not know: no JSON, too large, nobody's, of a method or a path that is not
 * there, too many, or in trouble that is ours.
 */
const BEYOND_CONTRACT = new Set([400, 401, 404, 405, 413, 414, 429]);
/** What has to be said instead, where the operation declares it. */
const NEAREST: Readonly<Record<number, readonly number[]>> = {
  403: [404],
  409: [412, 400],
  412: [409, 400],
};
const BASE = '/api/v2.0';

/** As it is written. */
export const CONTRACT: unknown = parse(
  readFileSync(join(import.meta.dirname, '../../../fixtures/harbor-api-v2.0.yaml'), 'utf8'),
);
const contract = Contract.parse(CONTRACT);
const ajv = new Ajv({ strict: false, allErrors: true, formats: formatsOf() });
ajv.addSchema({ $id: 'contract', definitions: converted(contract.definitions) });
const validators = new Map<unknown, ValidateFunction>();

const declared: readonly Declared[] = Object.entries(contract.paths).flatMap(([path, item]) =>
  Object.entries(item)
    .filter(([method]) => method !== 'parameters')
    .map(([method, description]) => declaredOf(path, method, description)),
);

/** All 203 operations. */
export const OPERATIONS: readonly ContractOperation[] = declared;

/** Of a change of the configuration, all names. */
export const CONFIGURATIONS = propertiesOf('Configurations');

/** What an object of the contract may have, in order. */
export function propertiesOf(definition: string): readonly string[] {
  const { properties } = z
    .looseObject({ properties: Schema })
    .parse(contract.definitions[definition]);
  return Object.keys(properties).toSorted();
}

/** Fails unless the answer is one that the contract declares for the request, by status, headers and body. */
export function assertAsDeclared(
  { method, path }: { readonly method: string; readonly path: string },
  answer: Answer,
): void {
  const [bare = ''] = path.split('?');
  if (!bare.startsWith(`${BASE}/`)) return;
  const what = `${method} ${path}: ${answer.status} ${answer.body.toString('utf8')}`;
  assert.ok(answer.headers['x-request-id'], `${what}: without X-Request-Id`);
  const operation = operationOf(method, bare.slice(BASE.length));
  const response = operation?.responses.get(answer.status);
  if (response === undefined) {
    const nearest = NEAREST[answer.status]?.some((other) => operation?.responses.has(other));
    const isBeyond = BEYOND_CONTRACT.has(answer.status) || nearest === false;
    assert.ok(isBeyond, `${what}: a status that is not declared`);
    assertValid({ $ref: '#/definitions/Errors' }, answer, what);
    assert.ok(answer.code, `${what}: no code`);
    return;
  }
  for (const header of Object.keys(response.headers)) {
    if (header === 'Link' || header === 'Set-Cookie') continue;
    assert.ok(answer.headers[header.toLowerCase()], `${what}: without ${header}`);
  }
  if (method === 'HEAD') return;
  if (answer.status >= 400) assert.ok(answer.code, `${what}: no code`);
  if (response.schema !== undefined) assertValid(response.schema, answer, what);
  else if (answer.status < 300) assert.equal(answer.body.length, 0, `${what}: a body`);
}

/** The operation that the contract has for a request; the path is the one below `/api/v2.0`. */
export function operationOf(method: string, path: string): Declared | undefined {
  return declared
    .filter((operation) => operation.method === method && operation.pattern.test(path))
    .toSorted((a, b) => (a.path < b.path ? -1 : 1))[0];
}

function declaredOf(path: string, method: string, description: unknown): Declared {
  const { operationId, tags, responses } = Operation.parse(description);
  const pattern = path.replace(/\/$/, '').replaceAll(/\{\w+\}/g, '[^/]+');
  const byStatus = new Map(
    Object.entries(responses).map(([status, response]) => [Number(status), resolved(response)]),
  );
  return {
    operation: operationId,
    tag: tags[0] ?? '',
    method: method.toUpperCase(),
    path,
    statuses: [...byStatus.keys()],
    pattern: new RegExp(`^${pattern}/?$`),
    responses: byStatus,
  };
}

function resolved(response: z.infer<typeof Response> | { $ref: string }): z.infer<typeof Response> {
  if (!('$ref' in response) || typeof response.$ref !== 'string') return Response.parse(response);
  const found = contract.responses[response.$ref.replace('#/responses/', '')];
  assert.ok(found, response.$ref);
  return found;
}

function assertValid(schema: object, answer: Answer, what: string): void {
  // Additions are whatever they are, and a string to the contract.
  const isText = 'type' in schema && schema.type === 'string';
  const content = isText ? answer.body.toString('utf8') : answer.json();
  let validate = validators.get(schema);
  if (validate === undefined) {
    const full = JSON.stringify(converted(schema)).replaceAll('"#/def', '"contract#/def');
    validate = ajv.compile(z.record(z.string(), z.unknown()).parse(JSON.parse(full)));
    validators.set(schema, validate);
  }
  assert.ok(validate(content), `${what}: ${ajv.errorsText(validate.errors)}`);
}

/**
 * Swagger 2.0 as JSON Schema. Everything in the contract is optional, so a misspelt property would pass for one that is
 * left out: nothing may be there that is not declared.
 */
function converted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(converted);
  if (typeof value !== 'object' || value === null) return value;
  const schema = Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, converted(inner)]),
  );
  const isClosed = 'properties' in schema && !('additionalProperties' in schema);
  const isNullable = schema['x-nullable'] === true && typeof schema['type'] === 'string';
  return {
    ...schema,
    ...(isClosed && schema['type'] === 'object' ? { additionalProperties: false } : {}),
    ...(isNullable ? { type: [schema['type'], 'null'] } : {}),
  };
}

function formatsOf(): Record<string, RegExp | true> {
  const numbers = ['int', 'int8', 'int32', 'int64', 'uint64', 'float', 'float64'];
  return {
    ...Object.fromEntries(numbers.map((name) => [name, true] as const)),
    uri: /^[a-z][a-z0-9+.-]*:/i,
    'date-time': /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/,
  };
}
