/** `npm run docs`: writes what `routes.test.ts` compares. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { operationsOf, ownOperationsOf } from '../../../src/http/api/api.ts';
import { openCatalogPorts } from '../support/catalog-ports.ts';
import { apiDocument } from './support/api-document.ts';
import { apiPage } from './support/api-page.ts';
import { CONTRACT, OPERATIONS } from './support/contract.ts';

await using opened = await openCatalogPorts();
const routes = operationsOf(opened.ports.api);
const own = ownOperationsOf(opened.ports.api);
const root = join(import.meta.dirname, '../../..');
await writeFile(join(root, 'docs/api.md'), apiPage(OPERATIONS, routes, own));
await writeFile(join(root, 'src/http/devcenter/swagger.json'), apiDocument(CONTRACT, routes));
