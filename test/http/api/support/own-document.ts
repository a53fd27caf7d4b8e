/** The node's own description of its own API, and whether an answer is what it says. */
import assert from 'node:assert/strict';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { z } from 'zod';
import type { Answer, Sent } from '../../support/client.ts';

const OWN = '/api/portolan/v1';

const Response = z.object({
  headers: z.record(z.string(), z.unknown()).default({}),
  content: z.record(z.string(), z.object({ schema: z.unknown() })).optional(),
});
const Operation = z.object({
  operationId: z.string(),
  summary: z.string().min(1),
  responses: z.record(z.string(), Response),
});
const Document = z.object({
  openapi: z.literal('3.1.0'),
  servers: z.tuple([z.object({ url: z.literal(OWN) })]),
  paths: z.record(z.string(), z.record(z.string(), Operation)),
  components: z.object({ schemas: z.object({ Problem: z.record(z.string(), z.unknown()) }) }),
});

interface Asked {
  send(sent: Sent): Promise<Answer>;
}

export async function ownDocument(node: Asked) {
  const answer = await node.send({ path: `${OWN}/openapi.json` });
  assert.equal(answer.status, 200, answer.body.toString());
  const { paths, components } = Document.parse(answer.json());
  const operations = Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, { responses }]) => ({
      method: method.toUpperCase(),
      path,
      pattern: new RegExp(`^${OWN}${path.replaceAll(/\{\w+\}/g, '[^/?]+')}$`),
      statuses: Object.keys(responses).map(Number),
      responses,
    })),
  );
  const ajv = new Ajv2020({ strict: false, allErrors: true, validateFormats: false });
  ajv.addSchema({ $id: 'document', components });

  return {
    text: answer.body.toString(),
    operations,
    /** Fails unless the answer to that request is one that the document declares. */
    assertDeclared({ method = 'GET', path }: Sent, given: Answer): void {
      const [bare = ''] = path.split('?');
      const operation = operations.find(
        (each) => each.method === method && each.pattern.test(bare),
      );
      const what = `${method} ${path}: ${given.status} ${given.body.toString()}`;
      const response = operation?.responses[given.status];
      assert.ok(response, what);
      for (const header of Object.keys(response.headers))
        assert.ok(given.headers[header.toLowerCase()] !== undefined, `${what}: ${header}`);
      const schema = response.content?.['application/json']?.schema;
      if (schema === undefined) {
        assert.doesNotMatch(given.headers['content-type'] ?? '', /json/, what);
        return;
      }
      const text = JSON.stringify(schema).replaceAll('"#/components', '"document#/components');
      const isValid = ajv.compile(z.record(z.string(), z.unknown()).parse(JSON.parse(text)));
      assert.ok(isValid(given.json()), `${what}: ${ajv.errorsText(isValid.errors)}`);
    },
  };
}
