import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { banner, type StartFacts } from '../../src/cli/banner.ts';

const PROXY = { kind: 'proxy', isPublic: true, isDefault: false, endpoints: ['hub'] } as const;
const HOSTED = { kind: 'hosted', isPublic: true, isDefault: false, endpoints: [] } as const;
const FACTS: StartFacts = {
  version: '1.2.3',
  addresses: [
    { host: '0.0.0.0', port: 5000, mirror: undefined },
    { host: '::1', port: 5001, mirror: 'docker.io' },
  ],
  externalUrl: undefined,
  isTls: false,
  dataFolder: '/var/lib/portolan',
  projects: [
    { ...HOSTED, name: 'local' },
    { ...PROXY, name: 'docker.io', isDefault: true },
    { ...PROXY, name: 'ghcr.io', endpoints: ['ghcr.io', 'unknown'] },
  ],
  urls: new Map([
    ['hub', 'https://registry-1.docker.io/'],
    ['ghcr.io', 'https://ghcr.io/'],
  ]),
  generatedPassword: undefined,
};

describe('a start', () => {
  it('tells where it listens, where data is, what is cached from where, and how to pull', () => {
    assert.equal(
      banner(FACTS),
      `Portolan 1.2.3 is ready.

  listening  http://0.0.0.0:5000
             http://[::1]:5001  as a mirror of docker.io
  data       /var/lib/portolan
  caching    docker.io  from registry-1.docker.io, also for names without a project
             ghcr.io    from ghcr.io, unknown
  try        docker pull localhost:5000/docker.io/library/alpine
             docker login localhost:5000 -u admin
             docker push localhost:5000/local/IMAGE

`,
    );
  });

  it('uses the name that clients use', () => {
    const text = banner({ ...FACTS, externalUrl: 'https://eu.registry.example', isTls: true });

    assert.match(text, /listening {2}https:\/\/0\.0\.0\.0:5000\n/);
    assert.match(text, /as https:\/\/eu\.registry\.example\n/);
    assert.match(text, /docker pull eu\.registry\.example\/docker\.io\/library\/alpine\n/);
  });

  it('tells a password that was made', () => {
    assert.match(
      banner({ ...FACTS, generatedPassword: 'made-up' }),
      /admin {6}password made-up {2}\(/,
    );
    assert.doesNotMatch(banner(FACTS), /password/);
  });

  it('has nothing to say of projects that there are not', () => {
    const text = banner({ ...FACTS, projects: [] });

    assert.doesNotMatch(text, /caching|docker (?:pull|push|login)/);
  });
});
