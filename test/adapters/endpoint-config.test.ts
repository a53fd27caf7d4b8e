import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EndpointConfig } from '../../adapters/index.ts';

const refused: readonly { name: string; config: object; says: RegExp }[] = [
  { name: 'an unknown adapter', config: { adapter: 'nope' }, says: /adapter/ },
  { name: 'no URL', config: { adapter: 'distribution' }, says: /url/ },
  { name: 'what is no URL', config: { adapter: 'distribution', url: 'ghcr.io' }, says: /https:/ },
  { name: 'another scheme', config: { adapter: 'distribution', url: 'ftp://x' }, says: /https:/ },
  {
    name: 'a login in the URL',
    config: { adapter: 'distribution', url: 'https://me:secret@ghcr.io' },
    says: /without user name/,
  },
  {
    name: 'an unknown option',
    config: { adapter: 'docker-hub', options: { project: 'x' } },
    says: /project/,
  },
  {
    name: 'a private address that is not said to be meant',
    config: { adapter: 'distribution', url: 'http://10.0.0.7:5000' },
    says: /allowPrivateAddress/,
  },
  {
    name: 'this machine, if it is not said to be meant',
    config: { adapter: 'distribution', url: 'http://localhost:5000' },
    says: /allowPrivateAddress/,
  },
  {
    name: 'a user without a password',
    config: { adapter: 'docker-hub', credential: { username: 'me' } },
    says: /password or passwordFile/,
  },
  {
    name: 'a user whose name would end early',
    config: { adapter: 'docker-hub', credential: { username: 'me:x', password: 'y' } },
    says: /colon/,
  },
];

describe('an endpoint of the configuration', () => {
  for (const { name, config, says } of refused) {
    it(`is refused with ${name}`, () => {
      assert.match(EndpointConfig.safeParse(config).error?.message ?? '', says);
    });
  }

  it('may be on this machine when it is said so', () => {
    const { url } = EndpointConfig.parse({
      adapter: 'distribution',
      url: 'http://localhost:5000/registry',
      allowPrivateAddress: true,
    });

    assert.equal(url.href, 'http://localhost:5000/registry/');
  });

  it('knows under which names its repositories are kept', () => {
    const hub = EndpointConfig.parse({ adapter: 'docker-hub' });
    const other = EndpointConfig.parse({ adapter: 'distribution', url: 'https://ghcr.io' });

    assert.equal(hub.canonicalRepository('alpine'), 'library/alpine');
    assert.equal(other.canonicalRepository('alpine'), 'alpine');
  });
});
