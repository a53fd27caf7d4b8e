import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type Config, type ConfigSources, loadConfig } from '../../src/config/load.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

describe('the configuration', () => {
  it('has a default for everything', async () => {
    const config = await loadConfig({ file: undefined, env: {}, overrides: [] });

    assert.deepEqual(config.listen.address, { host: '0.0.0.0', port: 5000 });
    assert.equal(config.data, './data');
    assert.equal(config.limits.manifestSize, 4 * 1024 * 1024);
    assert.deepEqual(config.declarations, { projects: [], endpoints: [], replication: [] });
    assert.equal(config.endpoints['docker.io']?.url.href, 'https://registry-1.docker.io/');
    assert.equal(config.endpoints['ghcr.io']?.adapter, 'distribution');
  });

  for (const [name, text] of [
    ['an empty file', ''],
    ['a file of comments', '# nothing\n'],
    ['a file of empty sections', 'listen:\nadmin:\nprojects:\n'],
  ] as const) {
    it(`has every default with ${name}`, async () => {
      assert.deepEqual(
        settings(await load(text)),
        settings(await loadConfig({ file: undefined, env: {}, overrides: [] })),
      );
    });
  }

  it('takes the command line before the environment before the file', async () => {
    const config = await load('listen: { address: 127.0.0.1:1 }\ndata: /file\n', {
      overrides: [
        { origin: 'PORTOLAN_LISTEN', path: ['listen', 'address'], value: '127.0.0.1:2' },
        { origin: 'PORTOLAN_DATA', path: ['data'], value: '/environment' },
        { origin: '--listen', path: ['listen', 'address'], value: '[::1]:3' },
      ],
    });

    assert.deepEqual(config.listen.address, { host: '::1', port: 3 });
    assert.equal(config.data, '/environment');
  });

  it('declares projects with their settings as written', async () => {
    const { declarations } = await load(`
      endpoints:
        lab: { adapter: distribution, url: http://10.0.0.7:5000, allowPrivateAddress: true }
      projects:
        team: {}
        lab.example:
          public: true
          proxy:
            endpoints: [lab]
            freshness: [{ tags: latest, ttl: 1m, staleIfError: forever }]
            maxBlobSize: 20GiB
    `);

    assert.deepEqual(declarations.projects, [
      {
        name: 'team',
        kind: 'hosted',
        isPublic: false,
        references: 'strict',
        upstreamHost: undefined,
        isDefault: false,
        endpoints: [],
        settings: {},
      },
      {
        name: 'lab.example',
        kind: 'proxy',
        isPublic: true,
        references: 'sparse',
        upstreamHost: 'lab.example',
        isDefault: false,
        endpoints: ['lab'],
        settings: {
          freshness: [{ tags: 'latest', ttl: '1m', staleIfError: 'forever' }],
          maxBlobSize: '20GiB',
        },
      },
    ]);
    assert.deepEqual(declarations.endpoints, [
      {
        name: 'lab',
        adapter: 'distribution',
        url: 'http://10.0.0.7:5000/',
        settings: { allowPrivateAddress: true },
      },
    ]);
  });

  it('declares a well-known endpoint only where the file says something of it', async () => {
    const { declarations, endpoints } = await load(
      'endpoints: { docker.io: { adapter: docker-hub, url: https://mirror.example } }',
    );

    assert.deepEqual(
      declarations.endpoints.map(({ name, url }) => [name, url]),
      [['docker.io', 'https://mirror.example/']],
    );
    assert.equal(Object.keys(endpoints)[0], 'docker.io');
  });
});

describe('secrets of the configuration', () => {
  it('come from the environment by name', async () => {
    const config = await load('admin: { password: "a-${ONE}-${TWO}-$${ONE}" }', {
      env: { ONE: '1', TWO: '${ONE}' },
    });

    assert.equal(config.admin.password, 'a-1-${ONE}-${ONE}');
  });

  it('come from files, without the last line break', async () => {
    await using directory = await temporaryDirectory();
    const secret = join(directory.path, 'secret');
    await writeFile(secret, ' two words \n');

    const config = await load(`admin: { passwordFile: ${secret} }`);

    assert.deepEqual(config.admin, { password: ' two words ' });
  });

  it('given by the environment take the place of the file that holds one', async () => {
    const config = await load('admin: { passwordFile: /does/not/exist }', {
      overrides: [
        { origin: 'PORTOLAN_ADMIN_PASSWORD', path: ['admin', 'password'], value: 'given' },
      ],
    });

    assert.deepEqual(config.admin, { password: 'given' });
  });

  it('reach the endpoint and not its declaration', async () => {
    const { declarations, endpoints } = await load(
      `
      endpoints: { lab: { adapter: distribution, url: https://lab.example, credential: { username: me, password: "\${TOKEN}" } } }
      projects: { lab.example: { proxy: { endpoints: [lab] } } }
      `,
      { env: { TOKEN: 'hunter2hunter2' } },
    );

    assert.deepEqual(endpoints['lab']?.credential, { username: 'me', password: 'hunter2hunter2' });
    assert.ok(!JSON.stringify(declarations).includes('hunter2'));
  });
});

async function load(text: string, more: Partial<ConfigSources> = {}): Promise<Config> {
  await using directory = await temporaryDirectory();
  const file = join(directory.path, 'config.yaml');
  await writeFile(file, text);
  return await loadConfig({ file, env: {}, overrides: [], ...more });
}

/** Without the functions of endpoints, which are equal to none. */
function settings(config: Config): unknown {
  return JSON.parse(JSON.stringify(config));
}
