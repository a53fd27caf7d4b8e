import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { importHarbor } from '../../src/cli/import-harbor.ts';
import { importRegsync } from '../../src/cli/import-regsync.ts';
import { importedText } from '../../src/cli/imported.ts';
import { loadConfig } from '../../src/config/load.ts';
import { endpointAt, startReplicatingNode } from '../replication/support/nodes.ts';
import { portolan } from '../support/portolan.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { startUpstream } from '../support/upstream.ts';

const DOCS = join(import.meta.dirname, '../../docs');

describe('the guide from regsync', () => {
  it('shows what its example becomes, which can be used', async () => {
    await using directory = await temporaryDirectory();
    const [regsync = '', ours = ''] = await examplesIn('migrate-from-regsync.md');
    const file = join(directory.path, 'regsync.yml');
    await writeFile(file, regsync);

    const words = ['import', 'regsync', file, '--local', 'registry.example:5000'];
    const { code, stdout, stderr } = await portolan(words);

    assert.equal(code, 0, stderr);
    assert.equal(stdout, ours);
    const written = join(directory.path, 'config.yaml');
    await writeFile(written, stdout);
    const env = { HUB_USER: 'me', HUB_TOKEN: 'secret' };
    const { declarations } = await loadConfig({ file: written, env, overrides: [] });
    assert.deepEqual(
      declarations.replication.map(({ name }) => name),
      ['regsync-1', 'regsync-2'],
    );
  });
});

describe('a configuration of regsync', () => {
  const base = { source: 'quay.io/a/b', target: 'quay.io/a/b', type: 'repository' };
  const rows = [
    {
      sync: { target: 'r.example/mirror/a/b' },
      rules: { destinations: [{ endpoint: 'r.example', namespace: 'mirror' }] },
    },
    { sync: { tags: { allow: ['v1.*'] } }, rules: { tags: { include: ['/v1.*/'] } } },
    { sync: { interval: '15m' }, rules: { trigger: { cron: '*/15 * * * *' } } },
    { sync: { interval: '12h' }, rules: { trigger: { cron: '0 */12 * * *' } } },
    { sync: { interval: '7m' }, untold: /interval 7m/ },
    {
      sync: { platform: 'linux/arm64' },
      rules: { platforms: ['linux/arm64'] },
      untold: /platform/,
    },
    { sync: { backup: 'old-{{.Ref.Tag}}' }, untold: /backup has no counterpart/ },
    { sync: { source: 'quay.io/a/b:1', target: 'quay.io/a/b:2', type: 'image' }, untold: /tag 1/ },
    {
      sync: { source: 'quay.io', target: 'r.example', type: 'registry', repos: { deny: ['x/.*'] } },
      rules: { repositories: { exclude: ['/x/.*/'] } },
    },
  ];
  for (const { sync, rules, untold } of rows) {
    it(`that says ${JSON.stringify(sync)} is taken at its word, or is told`, () => {
      const text = JSON.stringify({ version: 1, sync: [{ ...base, ...sync }] });

      const imported = importRegsync(text);

      const [policy] = Object.values(imported.policies);
      assert.partialDeepStrictEqual(policy, rules ?? {});
      assert.match(imported.untold.join('\n'), untold ?? /^$/);
    });
  }

  it('with a password in plain text does not get it written into another file', () => {
    const creds = [{ registry: 'r.example:5000', user: 'me', pass: 'hunter2' }];
    const sync = [{ ...base, target: 'r.example:5000/a/b' }];

    const { endpoints, untold } = importRegsync(JSON.stringify({ version: 1, creds, sync }));

    assert.doesNotMatch(JSON.stringify([endpoints, untold]), /hunter2/);
    assert.match(untold.join('\n'), /R_EXAMPLE_5000_PASSWORD/);
  });

  it('that leaves pulls to others leaves as many, of the registry that it copies from', () => {
    const defaults = { ratelimit: { min: 100, retry: 900 } };
    const hub = { ...base, source: 'docker.io/a/b' };
    const sync = [{ ...hub, ratelimit: { min: 60 } }, hub, { ...base, ratelimit: { min: 0 } }];
    const text = JSON.stringify({ version: 1, defaults, sync });

    const { endpoints, untold } = importRegsync(text);

    const url = 'https://registry-1.docker.io';
    assert.deepEqual(endpoints, {
      'docker.io': { adapter: 'docker-hub', url, reservedPulls: 99 },
    });
    assert.deepEqual(untold, [
      'defaults: ratelimit.retry: what is left is looked at again every five minutes',
      'docker.io: ratelimit.min is one for all that copy from there, the largest',
    ]);
  });

  const registries = [
    { registry: 'localhost:5000', isPrivate: true },
    { registry: '172.16.0.7:5000', isPrivate: true },
    { registry: '[fd00::7]:5000', isPrivate: true },
    { registry: '10.example.com', isPrivate: false },
    { registry: 'r.example:5000', isPrivate: false },
  ];
  for (const { registry, isPrivate } of registries) {
    it(`has ${isPrivate ? 'a private' : 'no private'} address in ${registry}`, () => {
      const sync = [{ ...base, source: `${registry}/a/b` }];

      const { endpoints } = importRegsync(JSON.stringify({ version: 1, sync }));

      const url = `https://${registry}`;
      const made = isPrivate ? { url, allowPrivateAddress: true } : { url };
      assert.deepEqual(endpoints[registry], { adapter: 'distribution', ...made });
    });
  }

  it('is refused where it is none', async () => {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, 'other.yml');
    await writeFile(file, 'version: 2\n');

    const { code, stderr } = await portolan(['import', 'regsync', file]);

    assert.equal(code, 1);
    assert.match(stderr, /no configuration of regsync: version/);
  });
});

describe('a configuration that names of other machines are in', () => {
  it('holds nothing that a terminal obeys, and the names as they are', () => {
    const name = 'x\u{1B}[2J\u{9B}31m\u{202E}\u{E0001}';
    const rules = { description: `first\n${name}`, source: name, repositories: ['plain'] };
    const endpoints = { [name]: { adapter: 'distribution' } };

    const text = importedText({ endpoints, policies: { [name]: rules }, untold: [name] });

    assert.doesNotMatch(text.replaceAll('\n', ''), /[\p{Cc}\p{Cf}]/u);
    assert.deepEqual(parse(text), { endpoints, policies: { replication: { [name]: rules } } });
  });
});

describe('the guide from Harbor', () => {
  it('shows what registries and policies become, which can be used and run', async () => {
    await using directory = await temporaryDirectory();
    await using upstream = await startUpstream();
    upstream.addImage('library/app', 'v1', [Buffer.from('one')]);
    const { path } = directory;
    const [registry = '', policy = '', ours = ''] = (
      await examplesIn('migrate-from-harbor.md')
    ).map((text) => text.replaceAll('http://10.0.0.7:5000', upstream.url.origin));
    await using harbor = await startReplicatingNode(path, 'harbor', {
      limits: { privateEndpoints: true },
    });
    const create = async (what: string, body: string) => {
      const headers = { 'content-type': 'application/json' };
      const sent = { method: 'POST', path: `/api/v2.0/${what}`, headers, body };
      const { status, body: told } = await harbor.send(sent);
      assert.equal(status, 201, told.toString());
    };
    await create('registries', registry);
    await create('replication/policies', policy);

    const env = { PORTOLAN_PASSWORD: 'password-of-the-admin' };
    const { code, stdout, stderr } = await portolan(['import', 'harbor', harbor.url], { env });

    assert.equal(code, 0, stderr);
    assert.equal(stdout, ours);
    const secret = { LAB_PASSWORD: 'secret' };
    const written = join(path, 'imported.yaml');
    await writeFile(written, stdout);
    await loadConfig({ file: written, env: secret, overrides: [] });
    upstream.requireBasic('puller', 'secret');
    const { endpoints, policies } = parse(stdout);
    await using node = await startReplicatingNode(path, 'node', {
      projects: { mirror: {} },
      endpoints: {
        lab: endpointAt(upstream.url, {
          credential: { ...endpoints.lab.credential, password: 'secret' },
        }),
      },
      policies,
    });
    assert.equal((await node.run(1)).status, 'Succeed');
    assert.deepEqual(await node.tags('mirror/app'), ['v1']);
  });
});

describe('a Harbor', () => {
  const registry = { id: 1, name: 'lab', type: 'docker-registry', url: 'https://lab.example' };
  const policy = { name: 'hourly', src_registry: registry, dest_registry: null };
  const imported = async (rows: { readonly registry?: object; readonly policy?: object }) =>
    importHarbor(
      listing({
        '/registries': { ...registry, ...rows.registry },
        '/replication/policies': { ...policy, ...rows.policy },
      }),
    );

  it('is taken at its word where an address has no scheme, which is http there', async () => {
    const { endpoints, untold } = await imported({ registry: { url: '172.16.0.7:5000' } });

    assert.partialDeepStrictEqual(endpoints, {
      lab: { url: 'http://172.16.0.7:5000', allowPrivateAddress: true },
    });
    assert.deepEqual(untold, []);
  });

  it('is told of where an address is none', async () => {
    const { endpoints, untold } = await imported({ registry: { url: 'https://[' } });

    assert.deepEqual(endpoints, {});
    assert.deepEqual(untold, ['registry lab is left out: https://[ is no address']);
  });

  it('is told of where a policy of it says what none may say, and the others are taken', async () => {
    const { endpoints, policies, untold } = await imported({ policy: { speed: 'fast' } });

    assert.deepEqual(Object.keys(endpoints), ['lab']);
    assert.deepEqual(policies, {});
    assert.match(untold.join('\n'), /^policy hourly is left out: .*speed/);
  });
});

/** An API where each list has one row. */
function listing(rows: Readonly<Record<string, object>>): Parameters<typeof importHarbor>[0] {
  return {
    async *list(path, item) {
      yield item.parse(rows[path]);
    },
  };
}

/** What is fenced in the guide, in its order. */
async function examplesIn(page: string): Promise<readonly string[]> {
  const text = await readFile(join(DOCS, page), 'utf8');
  return [...text.matchAll(/^```(?:yaml|json)\n(.*?)^```$/gms)].map(([, example = '']) => example);
}
