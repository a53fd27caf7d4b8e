import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { glob, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';

const ROOT = join(import.meta.dirname, '..');

describe('the documentation', async () => {
  for await (const page of glob('{*.md,docs/**/*.md}', { cwd: ROOT })) {
    it(`names only tests and pages that there are, in ${page}`, async () => {
      const text = await readFile(join(ROOT, page), 'utf8');
      const tests = [...text.matchAll(/`(test\/[\w./-]+)`/g)].map(([, path = '']) => path);
      const links = [...text.matchAll(/\]\((?!https?:|mailto:|#)([^)#]+)[^)]*\)/g)].map(
        ([, path = '']) => join(dirname(page), path),
      );
      const missing = [...tests, ...links].filter((path) => !existsSync(join(ROOT, path)));
      assert.deepEqual(missing, []);
    });
  }
});
