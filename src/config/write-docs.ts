/** `npm run docs`: writes what `test/config/documentation.test.ts` compares. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exampleOf, referenceOf } from './document.ts';
import { configJsonSchema } from './load.ts';

const root = join(import.meta.dirname, '../..');
await writeFile(join(root, 'config.example.yaml'), exampleOf(configJsonSchema()));
await writeFile(join(root, 'docs/configuration.md'), referenceOf(configJsonSchema()));
