import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { loadConfig, type Override } from '../../src/config/load.ts';
import { ConfigurationInvalid } from '../../src/config/problems.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const HUB =
  'endpoints: { hub: { adapter: docker-hub, credential: { username: me, password: x } } }\n';

const ROWS: readonly { name: string; text: string; problems: readonly (string | RegExp)[] }[] = [
  {
    name: 'an unknown key, with those that are known',
    text: 'telemetry:\n  levle: info\n',
    problems: ['line 2, telemetry.levle: unknown key; allowed here: level, format, accessLog'],
  },
  {
    name: 'a value of another kind',
    text: 'seed: yes\n',
    problems: ['line 1, seed: found "yes"; allowed: true or false'],
  },
  {
    name: 'a word that is none of the list',
    text: 'telemetry: { level: trace }\n',
    problems: ['line 1, telemetry.level: found "trace"; allowed: debug, info, warn, error'],
  },
  {
    name: 'a number out of its range',
    text: 'limits: { uploads: 0 }\n',
    problems: ['line 1, limits.uploads: found 0; allowed: 1 or more'],
  },
  {
    name: 'a list where a mapping is meant',
    text: 'listen: [a]\n',
    problems: ['line 1, listen: found a list; allowed: a mapping'],
  },
  {
    name: 'a duration without a unit',
    text: 'listen:\n  idleTimeout: 60\n',
    problems: [
      'line 2, listen.idleTimeout: found 60; allowed: a duration such as 500ms, 30s, 5m, 12h or 7d',
    ],
  },
  {
    name: 'a duration that no timer can wait for',
    text: 'storage: { grace: 30d }\n',
    problems: ['line 1, storage.grace: found "30d"; allowed: at least 1ms and at most 24d'],
  },
  {
    name: 'an address that is none',
    text: 'listen: { address: "5000" }\n',
    problems: [
      /^line 1, listen\.address: found "5000"; allowed: host:port, such as 0\.0\.0\.0:5000/,
    ],
  },
  {
    name: 'an adapter that there is not, with those that there are',
    text: 'endpoints:\n  hub: { adapter: dockerhub }\n',
    problems: [
      /^line 2, endpoints\.hub\.adapter: found "dockerhub"; allowed: distribution, docker-hub, /,
    ],
  },
  {
    name: 'a key that an adapter does not take',
    text: 'endpoints:\n  lab.example: { adapter: distribution, url: https://lab.example, ulr: 1 }\n',
    problems: [/^line 2, endpoints\."lab\.example"\.ulr: unknown key; allowed here: adapter, url/],
  },
  {
    name: 'a private address that is not allowed',
    text: 'endpoints:\n  lab: { adapter: distribution, url: http://10.0.0.7:5000 }\n',
    problems: [/^line 2, endpoints\.lab\.url: .*10\.0\.0\.7:5000 is not a public address/],
  },
  {
    name: 'a project name that no repository could start with',
    text: 'projects: { Team: {} }\n',
    problems: [/^line 1, projects\.Team: found the name "Team"; allowed: lower-case letters/],
  },
  {
    name: 'an endpoint that nobody declared',
    text: 'projects: { docker.io: { proxy: { endpoints: [hub] } } }\n',
    problems: [
      /^line 1, projects\."docker\.io"\.proxy\.endpoints\[0\]: found "hub"; allowed: a name under endpoints \(docker\.io, ghcr\.io/,
    ],
  },
  {
    name: 'a proxy project without an upstream host',
    text: 'projects: { hub: { proxy: { endpoints: [docker.io] } } }\n',
    problems: [
      'line 1, projects.hub.proxy: needs upstreamHost, since hub is not the name of a host',
    ],
  },
  {
    name: 'two projects for one upstream',
    text: 'projects:\n  one: &p { proxy: { endpoints: [quay.io], upstreamHost: quay.io } }\n  two: *p\n',
    problems: ['line 3, projects.two.proxy: one is for the upstream quay.io already'],
  },
  {
    name: 'two projects for one upstream by two of its names',
    text: 'projects:\n  docker.io: { proxy: { endpoints: [docker.io] } }\n  hub: { proxy: { endpoints: [docker.io], upstreamHost: index.docker.io } }\n',
    problems: ['line 3, projects.hub.proxy: docker.io is for the upstream docker.io already'],
  },
  {
    name: 'two defaults',
    text: 'projects:\n  quay.io: { proxy: { endpoints: [quay.io], default: true } }\n  gcr.io: { proxy: { endpoints: [gcr.io], default: true } }\n',
    problems: [
      'line 3, projects."gcr.io".proxy.default: found true; quay.io is the default already',
    ],
  },
  {
    name: 'a public project whose endpoint has a credential',
    text: `${HUB}projects: { docker.io: { public: true, proxy: { endpoints: [hub] } } }\n`,
    problems: [
      /^line 2, projects\."docker\.io"\.proxy: is public, and endpoint hub has a credential/,
    ],
  },
  {
    name: 'a credential for the seeded public project',
    text: 'endpoints: { docker.io: { adapter: docker-hub, credential: { username: me, password: x } } }\n',
    problems: [
      /^line 1, endpoints\."docker\.io"\.credential: the project docker\.io, .* is public/,
    ],
  },
  {
    name: 'a hosted project in the way of an upstream',
    text: 'projects: { library: {}, ghcr.io: {} }\n',
    problems: [
      'line 1, projects.library: is a hosted project, but pulls of this name are meant for an upstream',
      'line 1, projects."ghcr.io": is a hosted project, but pulls of this name are meant for an upstream',
    ],
  },
  {
    name: 'a hosted project in the way of an upstream by another of its names',
    text: 'projects: { index.docker.io: {} }\n',
    problems: [
      'line 1, projects."index.docker.io": is a hosted project, but pulls of this name are meant for an upstream',
    ],
  },
  {
    name: 'references of a proxy project',
    text: 'projects: { quay.io: { references: strict, proxy: { endpoints: [quay.io] } } }\n',
    problems: ['line 1, projects."quay.io": has references and proxy; allowed: one of them'],
  },
  {
    name: 'a mirror of an upstream that nobody knows',
    text: 'listen: { mirrors: [{ address: 0.0.0.0:5001, upstream: hub.example }] }\n',
    problems: [
      /^line 1, listen\.mirrors\[0\]\.upstream: found "hub\.example"; allowed: the upstream of a proxy project \(docker\.io/,
    ],
  },
  {
    name: 'a mirror of a project that is not public',
    text: 'listen: { mirrors: [{ host: quay.lan, upstream: quay.io }] }\nprojects: { quay.io: { proxy: { endpoints: [quay.io] } } }\n',
    problems: [
      'line 1, listen.mirrors[0].upstream: found "quay.io", whose project is not public: mirrors have no login',
    ],
  },
  {
    name: 'a mirror with host and address, and one on an address that is taken',
    text: 'listen:\n  mirrors:\n    - { host: a, address: 0.0.0.0:5001, upstream: quay.io }\n',
    problems: ['line 3, listen.mirrors[0]: needs host or address, and not both'],
  },
  {
    name: 'an address that is taken',
    text: 'listen:\n  mirrors:\n    - { address: 0.0.0.0:5000, upstream: quay.io }\n',
    problems: ['line 3, listen.mirrors[0].address: is listened on already'],
  },
  {
    name: 'watermarks the wrong way round',
    text: 'storage: { eviction: { lowWatermark: 90 } }\n',
    problems: ['line 1, storage.eviction.lowWatermark: found 90; allowed: at most `highWatermark`'],
  },
  {
    name: 'a variable that the environment does not have',
    text: 'admin:\n  password: ${NOT_SET}\n',
    problems: ['line 2, admin.password: found ${NOT_SET}; the environment has no NOT_SET'],
  },
  {
    name: 'a secret in a file that is not there',
    text: 'admin: { passwordFile: /does/not/exist }\n',
    problems: ['line 1, admin.passwordFile: found /does/not/exist, which cannot be read (ENOENT)'],
  },
  {
    name: 'a certificate that is not there',
    text: 'listen:\n  tls: { certFile: /no/cert, keyFile: /no/key }\n',
    problems: [
      'line 2, listen.tls.certFile: found /no/cert, which cannot be read (ENOENT)',
      'line 2, listen.tls.keyFile: found /no/key, which cannot be read (ENOENT)',
    ],
  },
  {
    name: 'an expiry that no push could keep up with',
    text: 'limits: { uploadExpiry: 59s }\n',
    problems: [/^line 1, limits\.uploadExpiry: found "59s"; allowed: at least 1m/],
  },
  {
    name: 'text that is no YAML',
    text: 'listen: {\nseed: true\nseed: false\n',
    problems: [/^line 2: Flow map .* end with a \}/, 'line 3: Map keys must be unique'],
  },
  {
    name: 'YAML that is no mapping',
    text: '- a\n- b\n',
    problems: ['found a list; allowed: a mapping'],
  },
];

describe('a configuration that cannot be used is told with', () => {
  for (const { name, text, problems } of ROWS) {
    it(name, async () => {
      const found = await problemsOf(text);

      assert.equal(found.length, problems.length, found.join('\n'));
      for (const [index, expected] of problems.entries()) {
        if (typeof expected === 'string') assert.equal(found[index], expected);
        else assert.match(found[index] ?? '', expected);
      }
    });
  }

  it('the variable or the option that is wrong, where no file is', async () => {
    const problems = await problemsOf('', [
      { origin: '--listen', path: ['listen', 'address'], value: 'nowhere' },
    ]);

    assert.match(
      problems[0] ?? '',
      /^--listen \(listen\.address\): found "nowhere"; allowed: host:port/,
    );
  });

  it('all problems at once, under the name of the file', async () => {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, 'config.yaml');
    await writeFile(file, 'seed: 1\ndata: 2\n');

    await assert.rejects(loadConfig({ file, env: {}, overrides: [] }), {
      name: 'ConfigurationInvalid',
      message: `${file} has 2 problems:\n  line 2, data: found 2; allowed: text\n  line 1, seed: found 1; allowed: true or false`,
    });
  });

  it('no secret in it', async () => {
    const [problem = ''] = await problemsOf('admin: { password: [hunter2hunter2] }\n');

    assert.equal(problem, 'line 1, admin.password: found a value that is not shown; allowed: text');
  });
});

async function problemsOf(
  text: string,
  overrides: readonly Override[] = [],
): Promise<readonly string[]> {
  await using directory = await temporaryDirectory();
  const file = join(directory.path, 'config.yaml');
  await writeFile(file, text);
  try {
    await loadConfig({ file, env: {}, overrides });
  } catch (error) {
    if (error instanceof ConfigurationInvalid) return error.problems;
    throw error;
  }
  return [];
}
