import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseChallenges } from '../../src/registry/challenge.ts';

const rows: readonly { name: string; header: string; means: readonly object[] }[] = [
  {
    name: 'the usual Bearer',
    header:
      'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull"',
    means: [
      {
        scheme: 'bearer',
        realm: 'https://auth.docker.io/token',
        service: 'registry.docker.io',
        scope: 'repository:a/b:pull',
      },
    ],
  },
  {
    name: 'commas and several scopes inside quotes',
    header: 'Bearer realm="https://a/t", scope="repository:a:pull,push repository:b:pull"',
    means: [
      {
        scheme: 'bearer',
        realm: 'https://a/t',
        scope: 'repository:a:pull,push repository:b:pull',
      },
    ],
  },
  {
    name: 'two schemes in one header, as Gitea sends them',
    header: 'Bearer realm="https://a/v2/token",service="c",scope="*",Basic realm="https://a"',
    means: [
      { scheme: 'bearer', realm: 'https://a/v2/token', service: 'c', scope: '*' },
      { scheme: 'basic', realm: 'https://a' },
    ],
  },
  {
    name: 'names and schemes in any case, and values without quotes',
    header: 'BEARER Realm=https, SERVICE=reg.example , Error=insufficient_scope',
    means: [
      { scheme: 'bearer', realm: 'https', service: 'reg.example', error: 'insufficient_scope' },
    ],
  },
  {
    name: 'escaped characters',
    header: String.raw`Basic realm="a \"quoted\" \\ realm"`,
    means: [{ scheme: 'basic', realm: String.raw`a "quoted" \ realm` }],
  },
  {
    name: 'a scheme alone, and one with a single value',
    header: 'Negotiate oRQwEqADCgEBoQsGCSqG==, NTLM, Basic realm="x"',
    means: [{ scheme: 'negotiate' }, { scheme: 'ntlm' }, { scheme: 'basic', realm: 'x' }],
  },
  {
    name: 'the first of two parameters of one name',
    header: 'Bearer realm="https://good/t",realm="https://evil/t"',
    means: [{ scheme: 'bearer', realm: 'https://good/t' }],
  },
  {
    name: 'what comes before nonsense',
    header: 'Basic realm="x", Bearer realm="unfinished',
    means: [{ scheme: 'basic', realm: 'x' }, { scheme: 'bearer' }],
  },
  { name: 'nothing', header: '', means: [] },
];

describe('reading WWW-Authenticate', () => {
  for (const { name, header, means } of rows) {
    it(`understands ${name}`, () => {
      const read = parseChallenges(header).map(({ scheme, parameters }) => ({
        scheme,
        ...Object.fromEntries(parameters),
      }));

      assert.deepEqual(read, means);
    });
  }

  it('takes time in proportion to a hostile header', () => {
    const hostile = `Bearer ${'a="'.repeat(20_000)}${'\\'.repeat(20_000)}${', ='.repeat(20_000)}`;
    const startedAt = performance.now();

    parseChallenges(hostile);

    assert.ok(performance.now() - startedAt < 1000);
  });
});
