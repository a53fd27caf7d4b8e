import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { nextHop } from '../../src/registry/redirect.ts';

const headers = { authorization: 'Bearer x', range: 'bytes=5-', accept: '*/*' };
const from = (url: string) => ({ url: new URL(url), headers });
const others = { range: 'bytes=5-', accept: '*/*' };

describe('following a redirect', () => {
  it('keeps the login on the same origin', () => {
    const hop = nextHop(from('https://ghcr.io/v2/a'), '/v2/b?c=1');

    assert.equal(hop.url.href, 'https://ghcr.io/v2/b?c=1');
    assert.deepEqual(hop.headers, headers);
  });

  for (const location of [
    'https://storage.example/x',
    '//storage.example/x',
    'https://ghcr.io:444/x',
    'https://pkg.ghcr.io/x',
  ]) {
    it(`leaves the login behind on the way to ${location}`, () => {
      assert.deepEqual(nextHop(from('https://ghcr.io/v2/a'), location).headers, others);
    });
  }

  it('leaves the login behind from http to https, and never goes back', () => {
    assert.deepEqual(nextHop(from('http://lab/v2/a'), 'https://lab/v2/a').headers, others);
    assert.throws(() => nextHop(from('https://lab/v2/a'), 'http://lab/v2/a'), /https to http/);
  });

  it('does not log in as the location says', () => {
    const hop = nextHop(from('https://ghcr.io/a'), 'https://me:secret@storage.example/x');

    assert.equal(hop.url.href, 'https://storage.example/x');
  });

  for (const location of ['file:///etc/passwd', 'ftp://x/', 'https://']) {
    it(`refuses ${location}`, () => {
      assert.throws(() => nextHop(from('https://ghcr.io/a'), location));
    });
  }
});
