import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  locate,
  type NamedProject,
  type NamedRequest,
  namingFacts,
} from '../../src/proxy/naming.ts';

const hub = proxyOf('docker.io', { canonicalRepository: official, isDefault: true });
const facts = namingFacts(
  [
    hub,
    proxyOf('ghcr.io'),
    proxyOf('lab', { upstreamHost: 'lab.example:5000' }),
    proxyOf('hub2', { upstreamHost: 'Mirror.Example', canonicalRepository: official }),
    proxyOf('secret.example', { isPublic: false }),
    { ...proxyOf('local'), kind: 'hosted', upstreamHost: 'hosted.example' },
    { ...proxyOf('library-of-mine'), kind: 'hosted' },
  ],
  ['eu.registry.example', 'node:5000'],
);
const doubled = namingFacts(
  [hub, proxyOf('index.docker.io'), proxyOf('hub', { upstreamHost: 'docker.io:443' })],
  [],
);
const withoutDefault = namingFacts([{ ...hub, isDefault: false }], []);

type Row = Partial<NamedRequest> & { readonly means: string; readonly why?: string };

describe('a request by a mirror', () => {
  table([
    { mirror: 'docker.io', name: 'alpine', means: 'docker.io/library/alpine' },
    { mirror: 'docker.io', name: 'library/alpine', means: 'docker.io/library/alpine' },
    { mirror: 'docker.io', name: 'grafana/grafana', means: 'docker.io/grafana/grafana' },
    { mirror: 'docker.io', name: 'alpine', method: 'HEAD', means: 'docker.io/library/alpine' },
    { mirror: 'registry-1.docker.io', name: 'alpine', means: 'docker.io/library/alpine' },
    { mirror: 'lab.example:5000', name: 'alpine', means: 'lab/alpine' },
    {
      mirror: 'docker.io',
      name: 'local/x',
      means: 'docker.io/local/x',
      why: 'projects have no say',
    },
    { mirror: 'docker.io', name: 'docker.io/library/x', means: 'docker.io/docker.io/library/x' },
    { mirror: 'docker.io', ns: 'docker.io', name: 'x', means: 'docker.io/library/x' },
    { mirror: 'docker.io', ns: 'node:5000', name: 'x', means: 'docker.io/library/x' },
    { mirror: 'docker.io', ns: 'ghcr.io', name: 'x', means: 'NAME_UNKNOWN' },
    { mirror: 'unknown.example', name: 'x', means: 'NAME_UNKNOWN' },
    {
      mirror: 'hosted.example',
      name: 'x',
      means: 'NAME_UNKNOWN',
      why: 'hosted projects mirror nobody',
    },
    { mirror: 'secret.example', name: 'x', means: 'DENIED', why: 'it is not public' },
    { mirror: 'docker.io', name: 'x', method: 'PUT', means: 'UNSUPPORTED' },
    { mirror: 'docker.io', name: 'x', method: 'DELETE', means: 'UNSUPPORTED' },
    { mirror: 'docker.io', name: 'Alpine', means: 'NAME_INVALID' },
  ]);
});

describe('a request with ?ns=', () => {
  table([
    { ns: 'docker.io', name: 'alpine', means: 'docker.io/library/alpine' },
    { ns: 'docker.io', name: 'library/alpine', means: 'docker.io/library/alpine' },
    { ns: 'index.docker.io', name: 'alpine', means: 'docker.io/library/alpine' },
    { ns: 'registry-1.docker.io', name: 'a/b', means: 'docker.io/a/b' },
    { ns: 'DOCKER.IO', name: 'alpine', means: 'docker.io/library/alpine' },
    { ns: 'ghcr.io', name: 'alpine', means: 'ghcr.io/alpine' },
    { ns: 'ghcr.io:443', name: 'a/b/c', means: 'ghcr.io/a/b/c' },
    { ns: 'ghcr.io:8443', name: 'a/b', means: 'NAME_UNKNOWN' },
    { ns: 'lab.example:5000', name: 'a', means: 'lab/a' },
    { ns: 'lab.example', name: 'a', means: 'NAME_UNKNOWN', why: 'the port is part of the host' },
    { ns: 'lab', name: 'a', means: 'NAME_UNKNOWN', why: 'it names a project, not a host' },
    { ns: 'mirror.example', name: 'a', means: 'hub2/library/a' },
    { ns: 'secret.example', name: 'a', means: 'secret.example/a', why: 'who may is decided later' },
    { ns: 'local', name: 'x', means: 'NAME_UNKNOWN', why: 'a hosted project is no upstream' },
    { ns: 'hosted.example', name: 'x', means: 'NAME_UNKNOWN', why: 'nor by the host it may have' },
    {
      ns: 'unknown.example',
      name: 'local/x',
      means: 'NAME_UNKNOWN',
      why: 'no later line is asked',
    },
    { ns: 'docker.io', name: 'local/x', means: 'docker.io/local/x' },
    { ns: 'ghcr.io', name: 'ghcr.io/a/b', means: 'ghcr.io/a/b', why: 'it names the project too' },
    { ns: 'index.docker.io', name: 'docker.io/alpine', means: 'docker.io/library/alpine' },
    { ns: 'ghcr.io', name: 'docker.io/a', means: 'ghcr.io/docker.io/a', why: 'it is another host' },
    { ns: 'lab.example:5000', name: 'lab/a', means: 'lab/lab/a', why: 'it may be so upstream' },
    { ns: 'docker.io', name: 'x', method: 'POST', means: 'UNSUPPORTED' },
    { ns: 'unknown.example', name: 'x', method: 'PUT', means: 'UNSUPPORTED' },
    { ns: 'docker.io', name: 'a//b', means: 'NAME_INVALID' },
    { ns: '../etc', name: 'a', means: 'NAME_UNKNOWN' },
  ]);
});

describe('a request for an upstream that two projects have', () => {
  for (const ns of ['docker.io', 'index.docker.io', 'docker.io:443']) {
    it(`goes to the older of them, by ns=${ns}`, () => {
      const { project } = locate(requestOf({ ns, name: 'a/b' }), doubled);
      assert.equal(project.name, 'docker.io');
    });
  }
});

describe('a request with our own name, or nothing, as ?ns=', () => {
  table([
    { ns: 'eu.registry.example', name: 'local/x', means: 'local/x' },
    { ns: 'eu.registry.example:443', name: 'local/x', means: 'local/x' },
    { ns: 'node:5000', name: 'local/x', method: 'PUT', means: 'local/x' },
    { ns: 'node:5000', name: 'alpine', means: 'docker.io/library/alpine' },
    { ns: '', name: 'local/x', means: 'local/x' },
    { ns: 'node', name: 'local/x', means: 'NAME_UNKNOWN', why: 'the port is part of the name' },
  ]);
});

describe('a request that names a project', () => {
  table([
    { name: 'local/x', means: 'local/x' },
    { name: 'local/a/b/c', means: 'local/a/b/c' },
    { name: 'local/x', method: 'PUT', means: 'local/x' },
    { name: 'docker.io/alpine', means: 'docker.io/library/alpine' },
    { name: 'docker.io/library/alpine', means: 'docker.io/library/alpine' },
    { name: 'docker.io/a/b', means: 'docker.io/a/b' },
    { name: 'ghcr.io/alpine', means: 'ghcr.io/alpine' },
    {
      name: 'docker.io/x',
      method: 'PUT',
      means: 'docker.io/library/x',
      why: 'who may is decided later',
    },
    { name: 'library-of-mine/x', means: 'library-of-mine/x' },
    { name: 'local', means: 'NAME_UNKNOWN', why: 'a project is no repository' },
    { name: 'docker.io', means: 'NAME_UNKNOWN' },
    { name: 'local', method: 'PUT', means: 'DENIED' },
  ]);
});

describe('a request for any other name', () => {
  table([
    { name: 'alpine', means: 'docker.io/library/alpine' },
    { name: 'library/alpine', means: 'docker.io/library/alpine' },
    { name: 'grafana/grafana', means: 'docker.io/grafana/grafana' },
    { name: 'quay.io/x/y', means: 'docker.io/quay.io/x/y', why: 'no project has that name' },
    { name: 'alpine', method: 'HEAD', means: 'docker.io/library/alpine' },
    { name: 'foo/bar', method: 'PUT', means: 'DENIED' },
    { name: 'foo', method: 'POST', means: 'DENIED' },
    { name: 'foo/bar', method: 'DELETE', means: 'DENIED' },
    { name: '', means: 'NAME_INVALID' },
    { name: '/x', means: 'NAME_INVALID' },
    { name: 'x/', means: 'NAME_INVALID' },
    { name: 'x/../y', means: 'NAME_INVALID' },
    { name: 'X/y', means: 'NAME_INVALID' },
    { name: 'x y', means: 'NAME_INVALID' },
    { name: `x/${'y'.repeat(254)}`, means: 'NAME_INVALID', why: 'it is too long' },
  ]);

  it('is unknown where no project is the default', () => {
    assert.throws(() => locate(requestOf({ name: 'alpine' }), withoutDefault), {
      code: 'NAME_UNKNOWN',
    });
  });

  it('says where to push instead', () => {
    assert.throws(() => locate(requestOf({ name: 'foo/bar', method: 'PUT' }), facts), {
      explanation: 'push to <project>/<name>; project foo does not exist',
    });
  });
});

function table(rows: readonly Row[]): void {
  for (const { means, why, ...request } of rows) {
    const { mirror, ns, name = '', method = 'GET' } = request;
    const how = [mirror === undefined ? '' : `by ${mirror}`, ns === undefined ? '' : `ns=${ns}`];
    const title = [method, `"${name.slice(0, 40)}"`, ...how, 'is', means].filter(
      (part) => part !== '',
    );
    it(`${title.join(' ')}${why === undefined ? '' : `: ${why}`}`, () => {
      if (/^[A-Z_]+$/.test(means)) {
        assert.throws(() => locate(requestOf(request), facts), { code: means });
        return;
      }
      assert.equal(locate(requestOf(request), facts).repository, means);
    });
  }
}

/** As the Docker Hub adapter. */
function official(path: string): string {
  return path.includes('/') ? path : `library/${path}`;
}

function requestOf(request: Partial<NamedRequest>): NamedRequest {
  return { ns: undefined, name: '', method: 'GET', ...request };
}

function proxyOf(name: string, more: Partial<NamedProject> = {}): NamedProject {
  return { name, kind: 'proxy', isPublic: true, isDefault: false, ...more };
}
