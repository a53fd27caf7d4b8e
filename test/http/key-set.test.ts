import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createLocalJWKSet, jwtVerify } from 'jose';
import { z } from 'zod';
import { ADMIN, startNode } from './support/node.ts';
import { tokenFor } from './support/token-client.ts';

const KeySet = z.object({
  keys: z.array(
    z.strictObject({
      kty: z.string(),
      crv: z.string(),
      x: z.string(),
      y: z.string(),
      kid: z.string(),
      alg: z.literal('ES256'),
      use: z.literal('sig'),
    }),
  ),
});

describe('GET /.well-known/jwks.json', () => {
  it('has what others need to take the tokens of this node, and nothing of a private key', async () => {
    await using node = await startNode();
    const scope = 'repository:local/app:push';

    const answer = await node.send({ path: '/.well-known/jwks.json' });

    assert.equal(answer.status, 200);
    assert.equal(answer.headers['content-type'], 'application/jwk-set+json');
    assert.equal(answer.headers['cache-control'], 'public, max-age=300');
    const { payload, protectedHeader } = await jwtVerify(
      await tokenFor(node, [scope], ADMIN),
      createLocalJWKSet(KeySet.parse(answer.json())),
      { issuer: 'portolan', audience: 'portolan' },
    );
    assert.equal(protectedHeader.alg, 'ES256');
    assert.deepEqual(payload['access'], [
      { type: 'repository', name: 'local/app', actions: ['push'] },
    ]);
  });
});
