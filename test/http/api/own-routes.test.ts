import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ownOperationsOf } from '../../../src/http/api/api.ts';
import { openCatalogPorts } from '../support/catalog-ports.ts';
import { startNode } from '../support/node.ts';

describe('every operation of the node’s own API', async () => {
  await using opened = await openCatalogPorts();
  const routes = ownOperationsOf(opened.ports.api);

  it('is there once', () => {
    assert.equal(new Set(routes.map(({ operation }) => operation)).size, routes.length);
  });

  it('is nobody’s, and not for those who may not', async () => {
    await using node = await startNode();
    for (const { method, path, permission } of routes) {
      if (permission === 'nobody') continue;
      const target = `/api/portolan/v1${path.replaceAll(/\{\w+\}/g, '2')}`;

      assert.equal((await node.send({ method, path: target })).status, 401, `${method} ${path}`);
      const other = await node.send({ method, path: target, as: 'guest:pw' });
      assert.equal(other.status, 403, `${method} ${path}`);
    }
  });
});
