import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ownOperationsOf } from '../../../src/http/api/api.ts';
import { openCatalogPorts } from '../support/catalog-ports.ts';
import { startNode } from '../support/node.ts';
import { ownDocument } from './support/own-document.ts';

describe('the document of the node’s own API', () => {
  it('is served to whoever asks, and has every operation that there is', async () => {
    await using opened = await openCatalogPorts();
    await using node = await startNode();

    const document = await ownDocument(node);

    const routes = ownOperationsOf(opened.ports.api);
    assert.deepEqual(
      document.operations.map(({ method, path }) => `${method} ${path}`).toSorted(),
      routes.map(({ method, path }) => `${method} ${path}`).toSorted(),
    );
  });

  it('declares exactly the statuses that the routes answer with', async () => {
    await using opened = await openCatalogPorts();
    await using node = await startNode();
    const document = await ownDocument(node);

    for (const { method, path, answers } of ownOperationsOf(opened.ports.api)) {
      const described = document.operations.find(
        (each) => each.method === method && each.path === path,
      );
      assert.deepEqual(
        described?.statuses,
        answers.toSorted((left, right) => left - right),
        path,
      );
    }
  });

  it('promises to sort by that alone by which it sorts', async () => {
    await using node = await startNode();
    const { text } = await ownDocument(node);

    assert.match(text, /Filters[^"]*`policy`/);
    assert.doesNotMatch(text, /the other way[^"]*`policy`/);
  });

  it('refers to nothing that is not in it', async () => {
    await using node = await startNode();
    const { text } = await ownDocument(node);

    const references = new Set([...text.matchAll(/"\$ref":"([^"]+)"/g)].map(([, to]) => to));

    assert.deepEqual([...references], ['#/components/schemas/Problem']);
  });
});
