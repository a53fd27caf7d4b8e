/** `npm run docs`: writes what `routes.test.ts` compares. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { operationsOf } from '../../../src/http/api/api.ts';
import { openCatalogPorts } from '../support/catalog-ports.ts';
import { apiPage } from './support/api-page.ts';
import { OPERATIONS } from './support/contract.ts';

await using opened = await openCatalogPorts();
await writeFile(
  join(import.meta.dirname, '../../../docs/api.md'),
  apiPage(OPERATIONS, operationsOf(opened.ports.api)),
);
