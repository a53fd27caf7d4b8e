import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { trustedRealm } from '../../src/registry/realm.ts';

const rows = [
  { registry: 'https://ghcr.io/', realm: 'https://ghcr.io/token', isTrusted: true },
  { registry: 'https://ghcr.io/', realm: '/token', isTrusted: true },
  { registry: 'https://registry-1.docker.io/', realm: 'https://auth.docker.io/t', isTrusted: true },
  { registry: 'https://reg.example.co.uk/', realm: 'https://auth.example.co.uk/', isTrusted: true },
  { registry: 'https://reg.example.co.uk/', realm: 'https://evil.co.uk/', isTrusted: false },
  { registry: 'https://me.github.io/', realm: 'https://you.github.io/t', isTrusted: false },
  { registry: 'https://registry.gitlab.com/', realm: 'https://gitlab.com/jwt', isTrusted: true },
  { registry: 'https://lscr.io/', realm: 'https://ghcr.io/token', isTrusted: false },
  { registry: 'https://docker.io/', realm: 'https://docker.io.evil.com/t', isTrusted: false },
  { registry: 'https://10.0.0.7/', realm: 'https://10.0.0.8/t', isTrusted: false },
  { registry: 'http://127.0.0.1:5000/', realm: 'http://127.0.0.1:5001/t', isTrusted: true },
  { registry: 'http://localhost:5000/', realm: 'http://127.0.0.1:5001/t', isTrusted: false },
  { registry: 'https://ghcr.io/', realm: 'http://ghcr.io/token', isTrusted: false },
  { registry: 'http://lab/', realm: 'https://lab/token', isTrusted: true },
  { registry: 'https://ghcr.io/', realm: 'file:///etc/passwd', isTrusted: false },
  { registry: 'https://r.cn/', realm: 'https://a.cn-x.aliyuncs.com/', isTrusted: true },
  { registry: 'https://r.cn/', realm: 'https://evilaliyuncs.com/', isTrusted: false },
  { registry: 'https://r.cn/', realm: 'https://auth.example/', isTrusted: true },
  { registry: 'https://r.cn/', realm: 'https://x.auth.example/', isTrusted: false },
  { registry: 'https://ghcr.io/', realm: undefined, isTrusted: false },
];

describe('whether a token realm is the registry’s own', () => {
  for (const { registry, realm, isTrusted } of rows) {
    it(`${isTrusted ? 'trusts' : 'refuses'} ${realm} for ${registry}`, () => {
      const rules = { url: new URL(registry), tokenHosts: ['auth.example', '*.aliyuncs.com'] };

      if (isTrusted) trustedRealm(realm, rules);
      else assert.throws(() => trustedRealm(realm, rules));
    });
  }

  it('leaves a login out that the realm itself names', () => {
    const rules = { url: new URL('https://ghcr.io/'), tokenHosts: [] };

    assert.equal(trustedRealm('https://a:b@ghcr.io/t?x=1', rules).href, 'https://ghcr.io/t?x=1');
  });
});
