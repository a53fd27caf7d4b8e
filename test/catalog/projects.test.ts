import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ProjectDeclaration } from '../../src/catalog/declarations.ts';
import { createProjects, type Projects } from '../../src/catalog/projects.ts';
import { seedsFor } from '../../src/catalog/seeds.ts';
import type { Database } from '../../src/database/database.ts';
import { projectAdopted } from '../../src/telemetry/channels.ts';
import { databases } from '../support/databases.ts';

const at = Date.UTC(2026, 10, 21);
const registries = [
  { name: 'docker.io', adapter: 'docker-hub', url: 'https://registry-1.docker.io' },
  { name: 'ghcr.io', adapter: 'distribution', url: 'https://ghcr.io' },
];
const seeds = seedsFor(registries);
const hub = { name: 'hub', adapter: 'docker-hub', url: 'https://hub.example', settings: {} };

for (const engine of databases) {
  describe(`projects on ${engine.name}`, () => {
    it('are seeded into an empty database: one to push to, and one for each registry', async () => {
      await using database = await engine.open();
      const projects = projectsOf(database);

      await projects.seed(seeds);

      const list = await projects.list();
      assert.deepEqual(
        list.map(({ name, kind, isPublic }) => [name, kind, isPublic]),
        [
          ['local', 'hosted', true],
          ['docker.io', 'proxy', true],
          ['ghcr.io', 'proxy', true],
        ],
      );
      assert.deepEqual(await projects.get('ghcr.io'), {
        id: list[2]?.id,
        name: 'ghcr.io',
        kind: 'proxy',
        isPublic: true,
        references: 'sparse',
        upstreamHost: 'ghcr.io',
        isDefault: false,
        declared: false,
        settings: {},
        endpoints: ['ghcr.io'],
        createdAt: at,
      });
      assert.equal((await projects.get('docker.io'))?.isDefault, true);
      assert.deepEqual(
        (await projects.endpoints()).map(({ name, adapter, url }) => ({ name, adapter, url })),
        registries,
      );
    });

    it('are seeded once: what was deleted stays away', async () => {
      await using database = await engine.open();
      const projects = projectsOf(database);
      await projects.seed(seeds);
      await database.write((transaction) =>
        transaction.updateTable('projects').set({ deleted_at: at }).execute(),
      );

      await projects.seed(seeds);

      assert.deepEqual(await projects.list(), []);
    });

    it('are not seeded where a declaration takes the name, the upstream or the default', async () => {
      await using database = await engine.open();
      const projects = projectsOf(database);
      const declared = [
        hosted('local'),
        proxy('mirror', { upstreamHost: 'docker.io', endpoints: ['docker.io'], isDefault: true }),
        proxy('github', { upstreamHost: 'ghcr.io:443', endpoints: ['ghcr.io'] }),
      ];

      await projects.seed(seeds, declared);
      await projects.declare({ endpoints: [], projects: declared });

      assert.deepEqual(
        (await projects.list()).map(({ name, isDefault }) => [name, isDefault]),
        [
          ['local', false],
          ['mirror', true],
          ['github', false],
        ],
      );
    });

    it('are created as declared', async () => {
      await using database = await engine.open();
      const projects = projectsOf(database);
      const settings = { freshness: [{ tags: 'latest', ttl: '1m' }] };
      const mirror = proxy('docker.io', { endpoints: ['hub'], isDefault: true, settings });

      await projects.declare({ endpoints: [hub], projects: [hosted('team'), mirror] });

      const { id: _i, createdAt: _c, ...created } = (await projects.get('docker.io')) ?? fail();
      assert.deepEqual(created, { ...mirror, declared: true });
      assert.equal((await projects.get('team'))?.declared, true);
      assert.equal((await projects.endpoints())[0]?.declared, true);
    });

    it('are adopted by a declaration of the same name and kind, which is told', async () => {
      await using database = await engine.open();
      const projects = projectsOf(database);
      await projects.seed(seeds);
      const before = await projects.get('ghcr.io');
      const told: string[] = [];
      using _ = projectAdopted.subscribe(({ project }) => told.push(project));
      const declared = proxy('ghcr.io', { isPublic: false, endpoints: ['docker.io', 'ghcr.io'] });

      await projects.declare({ endpoints: [], projects: [declared] });
      await projects.declare({ endpoints: [], projects: [declared] });

      const after = await projects.get('ghcr.io');
      assert.equal(after?.id, before?.id);
      assert.equal(after?.declared, true);
      assert.equal(after?.isPublic, false);
      assert.deepEqual(after?.endpoints, ['docker.io', 'ghcr.io']);
      assert.deepEqual(told, ['ghcr.io']);
    });

    it('stay when their declaration goes, and are the API’s again', async () => {
      await using database = await engine.open();
      const projects = projectsOf(database);
      await projects.declare({ endpoints: [hub], projects: [hosted('team'), hosted('other')] });

      await projects.declare({ endpoints: [], projects: [hosted('other')] });

      assert.deepEqual(
        (await projects.list()).map(({ name, declared }) => [name, declared]),
        [
          ['team', false],
          ['other', true],
        ],
      );
      assert.deepEqual(
        (await projects.endpoints()).map(({ name, declared }) => [name, declared]),
        [['hub', false]],
      );
    });

    it('change with their declaration, and their default can move', async () => {
      await using database = await engine.open();
      const projects = projectsOf(database);
      const [one, two] = [proxy('a.example'), proxy('b.example')];
      const endpoints = [one, two].map(({ name }) => ({ ...hub, name }));
      await projects.declare({ endpoints, projects: [{ ...one, isDefault: true }, two] });

      await projects.declare({
        endpoints: endpoints.map((endpoint) => ({ ...endpoint, url: 'https://moved.example' })),
        projects: [one, { ...two, isDefault: true, settings: { maxBlobSize: '1GiB' } }],
      });

      assert.deepEqual(
        (await projects.list()).map(({ isDefault, settings }) => [isDefault, settings]),
        [
          [false, {}],
          [true, { maxBlobSize: '1GiB' }],
        ],
      );
      assert.equal((await projects.endpoints())[0]?.url, 'https://moved.example');
    });

    it('are not written where the declaration says nothing new', async () => {
      await using database = await engine.open();
      let now = at;
      const projects = createProjects(database, { now: () => now, wellKnownHosts: [] });
      const declarations = { endpoints: [hub], projects: [proxy('x.example', uses('hub'))] };
      await projects.declare(declarations);
      const rows = () => database.read.selectFrom('projects').selectAll().execute();
      const before = await rows();

      now += 1000;
      await projects.declare(declarations);

      assert.deepEqual(await rows(), before);
    });

    for (const { title, projects: declared, message } of conflicts()) {
      it(`refuse ${title}, naming both and changing nothing`, async () => {
        await using database = await engine.open();
        const projects = projectsOf(database);
        await projects.seed(seeds);
        const before = await projects.list();

        const declaring = projects.declare({ endpoints: [hub], projects: declared });

        await assert.rejects(declaring, { name: 'DeclarationConflict', message });
        assert.deepEqual(await projects.list(), before);
        assert.ok(!(await projects.endpoints()).some(({ name }) => name === 'hub'));
      });
    }

    it('may be called like a well-known host where no project is the default', async () => {
      await using database = await engine.open();
      const projects = projectsOf(database);

      await projects.declare({ endpoints: [], projects: [hosted('library'), hosted('quay.io')] });

      assert.equal((await projects.list()).length, 2);
    });

    it('refuse a name that no repository’s name can start with', async () => {
      await using database = await engine.open();
      const projects = projectsOf(database);

      await assert.rejects(projects.declare({ endpoints: [], projects: [hosted('a/b')] }), {
        code: 'NAME_INVALID',
      });
    });

    it('refuse an endpoint called like this node itself', async () => {
      await using database = await engine.open();
      const projects = projectsOf(database);

      const declaring = projects.declare({ endpoints: [{ ...hub, name: 'local' }], projects: [] });

      await assert.rejects(declaring, { name: 'DeclarationConflict' });
      assert.deepEqual(await projects.endpoints(), []);
    });

    it('are the same list until something about them changes, whatever else is written', async () => {
      await using database = await engine.open();
      const projects = projectsOf(database);
      await projects.seed(seeds);
      const list = await projects.list();

      await database.write((transaction) =>
        transaction.updateTable('instance').set({ last_seq: 7 }).execute(),
      );
      const untouched = await projects.list();
      await projects.declare({ endpoints: [], projects: [hosted('team')] });

      assert.equal(untouched, list);
      assert.deepEqual(
        (await projects.list()).map(({ name }) => name),
        ['local', 'docker.io', 'ghcr.io', 'team'],
      );
    });
  });
}

function conflicts() {
  return [
    {
      title: 'another kind',
      projects: [hosted('ghcr.io')],
      message: /^ghcr\.io is declared as a hosted project, but the proxy project ghcr\.io exists/,
    },
    {
      title: 'another upstream',
      projects: [proxy('ghcr.io', { upstreamHost: 'quay.io', endpoints: ['hub'] })],
      message: /^project ghcr\.io is declared for the upstream quay\.io, but .* is for ghcr\.io/,
    },
    {
      title: 'an upstream that another project is for',
      projects: [proxy('github', { upstreamHost: 'ghcr.io', endpoints: ['hub'] })],
      message: /^projects ghcr\.io and github are both for the upstream ghcr\.io/,
    },
    {
      title: 'a second default',
      projects: [proxy('x.example', { endpoints: ['hub'], isDefault: true })],
      message: /^projects docker\.io and x\.example are both the default/,
    },
    {
      title: 'a hosted project in front of official images',
      projects: [hosted('library')],
      message: /^project library is hosted, but while docker\.io is the default/,
    },
    {
      title: 'a hosted project called like a well-known host',
      projects: [hosted('quay.io')],
      message: /^project quay\.io is hosted, but while docker\.io is the default/,
    },
    {
      title: 'a hosted project called like a configured upstream',
      projects: [
        hosted('lab.example'),
        proxy('lab', { upstreamHost: 'lab.example', endpoints: ['hub'] }),
      ],
      message: /^project lab\.example is hosted, but while docker\.io is the default/,
    },
    {
      title: 'an endpoint that is not there',
      projects: [proxy('x.example', { endpoints: ['hub', 'nowhere'] })],
      message: /^project x\.example names endpoint nowhere, but there is none/,
    },
  ] satisfies readonly {
    title: string;
    projects: readonly ProjectDeclaration[];
    message: RegExp;
  }[];
}

function projectsOf(database: Database): Projects {
  return createProjects(database, { now: () => at, wellKnownHosts: ['quay.io'] });
}

function hosted(name: string): ProjectDeclaration {
  return {
    name,
    kind: 'hosted',
    isPublic: false,
    references: 'strict',
    isDefault: false,
    endpoints: [],
    settings: {},
  };
}

function proxy(host: string, facts: Partial<ProjectDeclaration> = {}): ProjectDeclaration {
  return {
    ...hosted(host),
    kind: 'proxy',
    references: 'sparse',
    upstreamHost: host,
    endpoints: [host],
    ...facts,
  };
}

function uses(endpoint: string): Partial<ProjectDeclaration> {
  return { endpoints: [endpoint] };
}

function fail(): never {
  throw new Error('there is no such project');
}
