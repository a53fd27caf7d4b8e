import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { startNode } from './support/node.ts';

const externalUrl = 'https://eu.example';
const names = ['registry.internal:5000'];
const trustedProxies = ['127.0.0.1'];

const REALMS = [
  { name: 'the host of the request, where no name is known', app: {}, realm: 'http://any:5000' },
  {
    name: 'the external URL for its own host, whatever the scheme here',
    app: { externalUrl, names },
    host: 'EU.example',
    realm: 'https://eu.example',
  },
  {
    name: 'the host of the request where that is a name of ours',
    app: { externalUrl, names },
    host: 'registry.internal:5000',
    realm: 'http://registry.internal:5000',
  },
  {
    name: 'the external URL for a host that somebody made up',
    app: { externalUrl, names },
    host: 'evil.example',
    realm: 'https://eu.example',
  },
  {
    name: 'what a trusted proxy says',
    app: { trustedProxies },
    headers: { 'X-Forwarded-Host': 'front.example', 'X-Forwarded-Proto': 'https' },
    realm: 'https://front.example',
  },
  {
    name: 'nothing that a proxy says which nobody trusts',
    app: {},
    headers: { 'X-Forwarded-Host': 'front.example', 'X-Forwarded-Proto': 'https' },
    realm: 'http://any:5000',
  },
];

describe('the realm of a challenge', () => {
  for (const { name, app, host = 'any:5000', headers = {}, realm } of REALMS) {
    it(`is ${name}`, async () => {
      await using node = await startNode({ app });

      const answer = await node.send({ path: '/v2/', headers: { Host: host, ...headers } });

      assert.equal(
        answer.headers['www-authenticate'],
        `Bearer realm="${realm}/service/token",service="portolan"`,
      );
    });
  }
});
