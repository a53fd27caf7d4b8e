/**
 * The description of the node's own API, made of the routes that serve it. OpenAPI 3.1: its schemas are JSON Schema 2020-12, which zod
 * writes.
 */
import { type ZodType, z } from 'zod';
import { type Described, type OwnRoute, ownRoute } from './own-route.ts';
import { OWN } from './router.ts';

type Json = Readonly<Record<string, unknown>>;

const LARGEST_PAGE = 100;
const PROBLEM = z.object({
  errors: z.array(z.object({ code: z.string(), message: z.string() })),
});
const MEANINGS: Readonly<Record<number, string>> = {
  200: 'Done.',
  201: 'Made; `Location` says where.',
  400: 'The request is not as described here; the message says what is wrong.',
  401: 'Nobody is signed in, or the password is wrong.',
  403: 'The caller may not do that.',
  404: 'There is no such thing.',
  409: 'It conflicts with what is there.',
  412: 'It cannot be done as things stand now.',
  429: 'Too many at once.',
};

/** The operation that answers with the document of the others, and of itself. */
export function documentRoute(others: readonly OwnRoute[]): OwnRoute {
  const self: OwnRoute = ownRoute({
    operation: 'getDocument',
    described: {
      summary: 'This document.',
      answer: z.looseObject({ openapi: z.string() }),
    },
    method: 'GET',
    path: '/openapi.json',
    permission: 'nobody',
    answers: [200],
    handle: () => ({ json: openApiDocument([...others, self]) }),
  });
  return self;
}

function openApiDocument(routes: readonly OwnRoute[]): Json {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const each of routes) {
    paths[each.path] = { ...paths[each.path], [each.method.toLowerCase()]: operationOf(each) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Portolan',
      version: 'v1',
      description: 'What Harbor’s API, which this node has below `/api/v2.0`, has no words for.',
    },
    servers: [{ url: OWN }],
    security: [{ basic: [] }],
    paths,
    components: {
      securitySchemes: { basic: { type: 'http', scheme: 'basic' } },
      schemas: { Problem: schemaOf(PROBLEM, 'output') },
    },
  };
}

function operationOf({ operation, path, permission, answers, described }: OwnRoute): Json {
  const { summary, body } = described;
  const parameters = [
    ...[...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => pathParameter(name)),
    ...listParameters(described),
  ];
  const [success, ...refusals] = answers;
  return {
    operationId: operation,
    summary,
    tags: [path.split('/')[1]],
    ...(permission === 'nobody' ? { security: [] } : {}),
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(body === undefined
      ? {}
      : { requestBody: { required: true, content: jsonOf(schemaOf(body, 'input')) } }),
    responses: {
      [success]: successOf(success, described),
      ...Object.fromEntries(refusals.map((status) => [status, refusalOf(status)])),
    },
  };
}

function pathParameter(name: string): Json {
  const isId = name === 'id' || name.endsWith('_id');
  const schema = isId
    ? { type: 'integer', minimum: 1, maximum: 999_999_999_999_999 }
    : { type: 'string', minLength: 1 };
  return { name, in: 'path', required: true, schema };
}

function listParameters({ fields, unsorted = [] }: Described): readonly Json[] {
  if (fields === undefined) return [];
  const query = (name: string, schema: Json, description: string): Json => ({
    name,
    in: 'query',
    schema,
    description,
  });
  const sorted = fields.filter((name) => !unsorted.includes(name));
  return [
    query('page', { type: 'integer', minimum: 1, default: 1 }, 'Which page.'),
    query(
      'page_size',
      { type: 'integer', minimum: 1, maximum: LARGEST_PAGE, default: 10 },
      'How many on a page.',
    ),
    query(
      'q',
      { type: 'string' },
      `Filters, as Harbor writes them: \`field=value\`. By ${listOf(fields)}.`,
    ),
    query(
      'sort',
      { type: 'string' },
      `\`field\`, or \`-field\` for the other way. By ${listOf(sorted)}.`,
    ),
  ];
}

function listOf(names: readonly string[]): string {
  return names.length === 0 ? 'nothing' : names.map((name) => `\`${name}\``).join(', ');
}

function successOf(status: number, { answer, fields, mediaType }: Described): Json {
  const description = MEANINGS[status] ?? 'Done.';
  const total = { description: 'How many there are.', schema: { type: 'integer' } };
  const headers = {
    ...(fields === undefined ? {} : { 'X-Total-Count': total }),
    ...(status === 201 ? { Location: { schema: { type: 'string' } } } : {}),
  };
  const told = Object.keys(headers).length > 0 ? { description, headers } : { description };
  if (mediaType !== undefined)
    return { ...told, content: { [mediaType]: { schema: { type: 'string' } } } };
  if (answer === undefined) return told;
  return { ...told, content: jsonOf(schemaOf(answer, 'output')) };
}

function refusalOf(status: number): Json {
  return {
    description: MEANINGS[status] ?? 'Refused.',
    content: jsonOf({ $ref: '#/components/schemas/Problem' }),
  };
}

const jsonOf = (schema: Json): Json => ({ 'application/json': { schema } });

function schemaOf(type: ZodType, io: 'input' | 'output'): Json {
  const { $schema: _dialect, ...schema } = z.toJSONSchema(type, { io });
  return schema;
}
