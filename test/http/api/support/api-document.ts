import { z } from 'zod';
import type { ApiRoute } from '../../../../src/http/api/route.ts';

const Parts = z.record(z.string(), z.unknown());
const Document = z.looseObject({
  paths: z.record(z.string(), Parts),
  parameters: Parts,
  responses: Parts,
  definitions: Parts,
});
const Operation = z.object({ operationId: z.string() });

const SHARED = ['parameters', 'responses', 'definitions'] as const;
const REFERENCE = /"#\/(parameters|responses|definitions)\/([^"]+)"/g;

/** `swagger.json`: what the contract says of the operations that exist, and what that refers to. */
export function apiDocument(contract: unknown, routes: readonly ApiRoute[]): string {
  const { paths, host: _host, schemes: _schemes, ...rest } = Document.parse(contract);
  const known = new Set(routes.map(({ operation }) => operation));
  const there = Object.entries(paths).flatMap(([path, item]) => {
    const operations = Object.entries(item).filter(([method, description]) => {
      return method === 'parameters' || known.has(Operation.parse(description).operationId);
    });
    const isEmpty = operations.every(([method]) => method === 'parameters');
    return isEmpty ? [] : [[path, Object.fromEntries(operations)] as const];
  });
  const document = { ...rest, info: INFO, paths: Object.fromEntries(there) };
  return `${JSON.stringify(withoutUnused(document), null, 1)}\n`;
}

const INFO = {
  title: 'Portolan',
  description:
    'The management API: the operations of Harbor’s API v2.0 that this node has, as Harbor describes them.',
  version: '2.0',
};

type Shared = Readonly<Record<(typeof SHARED)[number], z.infer<typeof Parts>>>;

function withoutUnused<Whole extends Shared & { readonly paths: object }>(document: Whole): Whole {
  const used = new Set<string>();
  const left: unknown[] = [document.paths];
  for (let part = left.pop(); part !== undefined; part = left.pop()) {
    for (const [, kind = '', name = ''] of JSON.stringify(part).matchAll(REFERENCE)) {
      if (used.has(`${kind} ${name}`)) continue;
      used.add(`${kind} ${name}`);
      left.push(Parts.parse(Object.entries(document).find(([key]) => key === kind)?.[1])[name]);
    }
  }
  const kept = SHARED.map((kind) => [
    kind,
    Object.fromEntries(
      Object.entries(document[kind]).filter(([name]) => used.has(`${kind} ${name}`)),
    ),
  ]);
  return { ...document, ...Object.fromEntries(kept) };
}
