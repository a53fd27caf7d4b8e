import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { operationsOf } from '../../../src/http/api/api.ts';
import { openCatalogPorts } from '../../http/support/catalog-ports.ts';

const Operation = z.looseObject({
  operationId: z.string(),
  responses: z.record(z.string(), z.unknown()),
});
const Contract = z.looseObject({ paths: z.record(z.string(), z.record(z.string(), z.unknown())) });

/** By operation. */
type Undeclared = Readonly<Record<string, { readonly status: number; readonly why: string }>>;

/** Names of the operations that the node has. */
export async function implementedOperations(): Promise<readonly string[]> {
  await using opened = await openCatalogPorts();
  return operationsOf(opened.ports.api).map(({ operation }) => operation);
}

/**
 * Harbor's contract with the operations alone that the node has.
 *
 * @param undeclared statuses that it has beyond the contract
 */
export async function implementedContract(undeclared: Undeclared): Promise<object> {
  const file = join(import.meta.dirname, '../../fixtures/harbor-api-v2.0.yaml');
  const contract = Contract.parse(parse(await readFile(file, 'utf8')));
  const names = new Set(await implementedOperations());
  const isKept = (method: string, content: unknown): boolean =>
    method === 'parameters' || names.has(Operation.parse(content).operationId);
  const paths = Object.entries(contract.paths).map(([path, item]): [string, object] => [
    path,
    Object.fromEntries(
      Object.entries(item)
        .filter(([method, content]) => isKept(method, content))
        .map(([method, content]): [string, unknown] => [
          method,
          method === 'parameters' ? content : withUndeclared(content, undeclared),
        ]),
    ),
  ]);
  return { ...contract, paths: Object.fromEntries(paths) };
}

function withUndeclared(content: unknown, undeclared: Undeclared): object {
  const operation = Operation.parse(content);
  const more = undeclared[operation.operationId];
  if (more === undefined) return operation;
  const responses = { ...operation.responses, [more.status]: { description: more.why } };
  return { ...operation, responses };
}
