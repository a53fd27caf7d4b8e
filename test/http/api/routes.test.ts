import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { operationsOf, ownOperationsOf } from '../../../src/http/api/api.ts';
import { openCatalogPorts } from '../support/catalog-ports.ts';
import { apiPage } from './support/api-page.ts';
import { OPERATIONS } from './support/contract.ts';
import { startApiNode } from './support/node.ts';

const OPEN = new Set<unknown>(['nobody', 'visible']);

describe('every operation', async () => {
  await using opened = await openCatalogPorts();
  const routes = operationsOf(opened.ports.api);
  const own = ownOperationsOf(opened.ports.api);

  for (const route of routes) {
    it(`${route.operation} is the contract's, and names what it needs`, () => {
      const declared = OPERATIONS.find(({ operation }) => operation === route.operation);

      assert.ok(declared, 'not in the contract');
      assert.equal(route.method, declared.method);
      assert.equal(route.path, declared.path);
      assert.deepEqual(
        route.answers.toSorted((a, b) => a - b),
        declared.statuses.filter((status) => status !== 500).toSorted((a, b) => a - b),
      );
      const { permission } = route;
      if (typeof permission === 'string') assert.match(permission, /^(nobody|visible|signed-in)$/);
      else assert.match(String(Object.values(permission)[0]), /^[a-z-]+:[a-z]+$/);
    });
  }

  it('is on the page about them; `npm run docs` writes it', async () => {
    const page = await readFile(join(import.meta.dirname, '../../../docs/api.md'), 'utf8');

    assert.equal(page, apiPage(OPERATIONS, routes, own));
  });

  it('is there once', () => {
    assert.equal(new Set(routes.map(({ operation }) => operation)).size, routes.length);
  });

  it('that is not for everybody is 401 for nobody', async () => {
    await using node = await startApiNode();
    for (const { method, path, permission } of routes) {
      if (OPEN.has(permission)) continue;
      // A private project of id 2.
      const target = path.replace('{project_name}', 'secret').replaceAll(/\{\w+\}/g, '2');
      const sent = { method, path: `/api/v2.0${target}` };
      assert.equal((await node.send(sent)).status, 401, `${method} ${path}`);
    }
  });
});
