import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { operationsOf } from '../../src/http/api/api.ts';
import { apiDocument } from './api/support/api-document.ts';
import { CONTRACT } from './api/support/contract.ts';
import { openCatalogPorts } from './support/catalog-ports.ts';
import { startNode } from './support/node.ts';

const Document = z.object({
  basePath: z.string(),
  paths: z.record(z.string(), z.record(z.string(), z.unknown())),
});

describe('/swagger.json', () => {
  it('describes the operations that there are, and no other', async () => {
    await using opened = await openCatalogPorts();
    await using node = await startNode();

    const answer = await node.send({ path: '/swagger.json' });

    const { basePath, paths } = Document.parse(answer.json());
    const described = Object.entries(paths).flatMap(([path, item]) =>
      Object.keys(item)
        .filter((method) => method !== 'parameters')
        .map((method) => `${method.toUpperCase()} ${path}`),
    );
    const there = operationsOf(opened.ports.api).map(({ method, path }) => `${method} ${path}`);
    assert.equal(basePath, '/api/v2.0');
    assert.deepEqual(described.toSorted(), there.toSorted());
  });

  it('refers to nothing that is not in it, and to no host', async () => {
    await using node = await startNode();
    const text = (await node.send({ path: '/swagger.json' })).body.toString();
    const parsed: unknown = JSON.parse(text);

    for (const [, kind = '', name = ''] of text.matchAll(/"\$ref": "#\/(\w+)\/([^"]+)"/g)) {
      const group = z.record(z.string(), z.unknown()).parse(parsed)[kind];
      assert.ok(z.record(z.string(), z.unknown()).parse(group)[name], `${kind}/${name}`);
    }
    const document = z.record(z.string(), z.unknown()).parse(parsed);
    assert.deepEqual([document['host'], document['schemes']], [undefined, undefined]);
  });

  it('is as the routes are; `npm run docs` writes it', async () => {
    await using opened = await openCatalogPorts();
    const file = join(import.meta.dirname, '../../src/http/devcenter/swagger.json');

    const written = await readFile(file, 'utf8');

    assert.equal(written, apiDocument(CONTRACT, operationsOf(opened.ports.api)));
  });
});

describe('/devcenter', () => {
  it('is a page whose parts all come from here', async () => {
    await using node = await startNode();
    const page = await node.send({ path: '/devcenter' });
    assert.equal(page.status, 200);
    assert.equal(page.headers['content-type'], 'text/html; charset=utf-8');

    const html = page.body.toString();
    const parts = [...html.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, part = '']) => part);
    assert.equal(parts.length, 4);
    for (const path of parts) {
      assert.match(path, /^\/devcenter\//);
      const answer = await node.send({ path });
      assert.equal(answer.status, 200, path);
      assert.ok(answer.body.length > 100, path);
      assert.equal(answer.headers['x-content-type-options'], 'nosniff');
    }
  });

  it('lets nothing run that is in the page itself or comes from elsewhere, nor anybody frame it', async () => {
    await using node = await startNode();

    const { headers, body } = await node.send({ path: '/devcenter' });

    const policy = String(headers['content-security-policy']);
    assert.match(policy, /^default-src 'none'; script-src 'self'; style-src 'self'; /);
    assert.match(policy, /; frame-ancestors 'none'$/);
    assert.doesNotMatch(policy, /unsafe|https?:|\*/);
    assert.doesNotMatch(body.toString(), /<script>|<style|style=|\son\w+=/);
  });

  it('has styles and a start of its own that name no other host', async () => {
    await using node = await startNode();
    const styles = await node.send({ path: '/devcenter/swagger-ui.css' });
    const start = await node.send({ path: '/devcenter/start.js' });

    assert.doesNotMatch(styles.body.toString(), /@import|url\(["']?(?!["']?data:)/);
    assert.doesNotMatch(start.body.toString(), /:\/\//);
    assert.match(start.body.toString(), /validatorUrl: null/);
  });

  it('is where Harbor has it, too', async () => {
    await using node = await startNode();

    const answer = await node.send({ path: '/devcenter-api-2.0' });

    assert.equal(answer.status, 302);
    assert.equal(answer.headers.location, '/devcenter');
  });

  it('has no other files, and none for the clients of a mirror', async () => {
    await using node = await startNode();
    await using mirror = await startNode({ app: { mirror: 'docker.io' } });

    for (const path of [
      '/devcenter/index.html',
      '/devcenter/..',
      '/devcenter/package.json',
      '/devcenter/%2e%2e/devcenter.ts',
      '/devcenter/../../../package.json',
    ]) {
      assert.equal((await node.send({ path })).status, 404, path);
    }
    for (const path of [
      '/devcenter',
      '/devcenter/start.js',
      '/swagger.json',
      '/devcenter-api-2.0',
    ]) {
      assert.equal((await mirror.send({ path })).status, 404, path);
    }
  });
});
