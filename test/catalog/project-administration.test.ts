import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EVERYTHING } from '../../src/database/listing.ts';
import { databases } from '../support/databases.ts';
import {
  ANN,
  addProject,
  addUser,
  type ManagementWorld,
  openManagement,
  told,
} from './management-world.ts';
import { contentOf, imageOf, imageWithBlobs, keepBlob, push, stateOf } from './world.ts';

for (const engine of databases) {
  describe(`a project by the API on ${engine.name}`, () => {
    it('is made with its creator as its admin, and that is written down', async () => {
      await using world = await openManagement(engine);
      const user = await addUser(world, 'ann');

      const { id } = await world.management.projects.create(
        {
          name: 'team',
          metadata: { public: 'false', auto_scan: 'true' },
          creator: user,
          storageLimit: 50,
        },
        ANN,
      );

      const {
        createdAt: _c,
        updatedAt: _u,
        ...project
      } = await world.management.projects.get('team');
      assert.deepEqual(project, {
        id,
        name: 'team',
        kind: 'hosted',
        isPublic: false,
        owner: 'ann',
        declared: false,
        endpoint: undefined,
        metadata: { public: 'false', auto_scan: 'true' },
        repositoryCount: 0,
        storage: { used: 0, limit: 50 },
      });
      const { members } = await world.management.projects.summary(id);
      assert.deepEqual(members, {
        projectAdmin: 1,
        maintainer: 0,
        developer: 0,
        guest: 0,
        limitedGuest: 0,
      });
      assert.deepEqual(await told(world), ['ann create project team']);
      assert.equal((await world.projects.get('team'))?.id, id);
    });

    it('of an endpoint pulls through from there', async () => {
      await using world = await openManagement(engine);
      const [hub] = await world.projects.endpoints();

      await world.management.projects.create(
        {
          name: 'mirror',
          endpoint: hub?.id,
          metadata: {
            public: 'true',
            proxy_cache_filter_pattern: 'library/**',
            proxy_cache_local_on_not_found: 'true',
          },
          creator: undefined,
        },
        ANN,
      );

      const project = await world.projects.get('mirror');
      assert.equal(project?.kind, 'proxy');
      assert.equal(project?.references, 'sparse');
      assert.equal(project?.upstreamHost, 'mirror');
      assert.deepEqual(project?.endpoints, ['docker.io']);
      assert.deepEqual(project?.settings, {
        repositories: { include: ['library/**'] },
        freshness: [{ tags: '*', onNotFound: 'serveCached' }],
      });
      assert.equal((await world.management.projects.get('mirror')).endpoint, hub?.id);
    });

    const refused = [
      ['of a name that no repository can start with', { name: 'Team' }, 'BAD_REQUEST'],
      ['of a name that is there', { name: 'local' }, 'CONFLICT'],
      ['that plants names in front of Docker Hub', { name: 'library' }, 'CONFLICT'],
      ['of an endpoint that is not there', { name: 'x', endpoint: 77 }, 'BAD_REQUEST'],
      ['of this node as its own endpoint', { name: 'x', endpoint: 0 }, 'BAD_REQUEST'],
      ['with a limit of nothing', { name: 'x', storageLimit: 0 }, 'BAD_REQUEST'],
      ['with metadata nobody knows', { name: 'x', metadata: { colour: 'red' } }, 'BAD_REQUEST'],
      ['with half a truth', { name: 'x', metadata: { public: 'yes' } }, 'BAD_REQUEST'],
      [
        'with a promise nobody keeps',
        { name: 'x', metadata: { prevent_vul: 'true' } },
        'BAD_REQUEST',
      ],
    ] as const;
    it('is refused, with nothing changed and nothing written down,', async (t) => {
      await using world = await openManagement(engine);
      const before = await world.projects.list();
      for (const [title, project, code] of refused) {
        await t.test(title, async () => {
          const creating = world.management.projects.create(
            { metadata: {}, creator: undefined, ...project },
            ANN,
          );
          await assert.rejects(creating, { name: 'ManagementError', code });
          assert.equal(await world.projects.list(), before);
        });
      }
      assert.deepEqual(await told(world), []);
    });

    it('shows nobody what a credential may see, unless it says what', async () => {
      await using world = await openManagement(engine);
      await world.projects.declare({
        endpoints: [
          { name: 'secret', adapter: 'distribution', url: 'https://x.example', settings: {} },
        ],
        projects: [],
      });
      const endpoint = (await world.projects.endpoints()).find(({ name }) => name === 'secret')?.id;
      const project = { name: 'mirror', endpoint, creator: undefined };

      const exposing = world.management.projects.create(
        { ...project, metadata: { public: 'true' } },
        ANN,
      );
      await assert.rejects(exposing, {
        code: 'BAD_REQUEST',
        message: /proxy_cache_filter_pattern/,
      });

      const { id } = await world.management.projects.create({ ...project, metadata: {} }, ANN);
      const nonsense = world.management.projects.update(
        id,
        { proxy_cache_filter_pattern: '[' },
        ANN,
      );
      await assert.rejects(nonsense, { code: 'BAD_REQUEST', message: /is no pattern/ });
      const opening = world.management.projects.update(id, { public: 'true' }, ANN);
      await assert.rejects(opening, { code: 'BAD_REQUEST' });
      const filter = { public: 'true', proxy_cache_filter_pattern: 'free/**' };
      await assert.rejects(world.management.projects.update(id, filter, ANN), {
        code: 'FORBIDDEN',
      });
      await world.management.projects.update(id, filter, ANN, { mayExpose: true });
      const unfiltering = world.management.projects.removeMetadata(
        id,
        'proxy_cache_filter_pattern',
        ANN,
      );
      await assert.rejects(unfiltering, { code: 'BAD_REQUEST' });
    });

    it('changes what it is told to, and keeps the rest', async () => {
      await using world = await openManagement(engine);
      const id = await addProject(world, 'team', { auto_scan: 'true', severity: 'low' });

      await world.management.projects.update(id, { public: 'true', severity: 'high' }, ANN);
      await world.management.projects.removeMetadata(id, 'auto_scan', ANN);

      const { metadata, isPublic } = await world.management.projects.get(id);
      assert.equal(isPublic, true);
      assert.deepEqual(metadata, { public: 'true', severity: 'high' });
      const again = world.management.projects.removeMetadata(id, 'auto_scan', ANN);
      await assert.rejects(again, { code: 'NOT_FOUND' });
    });

    it('is given metadata once, by whoever comes first', async () => {
      await using world = await openManagement(engine);
      const id = await addProject(world, 'team');
      const add = (metadata: Readonly<Record<string, string>>) =>
        world.management.projects.addMetadata(id, metadata, ANN);

      const adding = await Promise.allSettled(['low', 'high'].map((severity) => add({ severity })));

      assert.deepEqual(
        adding.map(({ status }) => status),
        ['fulfilled', 'rejected'],
      );
      assert.equal((await world.management.projects.get(id)).metadata['severity'], 'low');
      await assert.rejects(add({ auto_scan: 'true', public: 'true' }), { code: 'CONFLICT' });
      assert.equal((await world.management.projects.get(id)).metadata['auto_scan'], undefined);
    });

    it('of the configuration file is changed there', async () => {
      await using world = await openManagement(engine);
      const local = await world.projects.get('local');
      assert.ok(local);
      await world.projects.declare({ endpoints: [], projects: [local] });
      const refusal = { code: 'FORBIDDEN', message: /configuration file/ };

      await assert.rejects(
        world.management.projects.update(local.id, { public: 'false' }, ANN),
        refusal,
      );
      await assert.rejects(world.management.projects.remove(local.id, ANN), refusal);
    });

    it('stays while it holds a repository, and says which', async () => {
      await using world = await openManagement(engine);
      const id = await addProject(world, 'team');
      const image = await imageWithBlobs(world, 'team/app', 'one');
      await push(world, 'team/app', image, { tag: 'v1' });

      assert.match((await world.management.projects.obstacle(id)) ?? '', /team\/app/);
      await assert.rejects(world.management.projects.remove(id, ANN), { code: 'PRECONDITION' });
      assert.equal((await world.management.projects.get(id)).repositoryCount, 1);
    });

    it('that came again under its name has nothing of the one before', async () => {
      await using world = await openManagement(engine);
      const user = await addUser(world, 'ann');
      const first = await world.management.projects.create(
        {
          name: 'team',
          metadata: { public: 'true', severity: 'low' },
          storageLimit: 99,
          creator: user,
        },
        ANN,
      );
      const left = contentOf('pushed and never referred to');
      await keepBlob(world, 'team/app', left);
      await world.uploads.start('team/app', { caller: 'ann', algorithm: 'sha256' });

      await world.management.projects.remove(first.id, ANN);
      const second = await addProject(world, 'team');

      assert.notEqual(second, first.id);
      const project = await world.management.projects.get('team');
      assert.deepEqual(project.metadata, { public: 'false' });
      assert.deepEqual(project.storage, { used: 0, limit: -1 });
      assert.equal((await world.management.projects.summary(second)).members.projectAdmin, 0);
      assert.equal(await world.blobs.find('team/app', left.digest), undefined);
      assert.equal((await stateOf(world, left))?.state, 'condemned');
      await assert.rejects(world.management.projects.get(first.id), { code: 'NOT_FOUND' });
      await push(world, 'team/app', imageOf(left, []), { tag: 'v1', references: 'sparse' });
      assert.equal((await world.management.projects.get('team')).repositoryCount, 1);
    });

    it('is listed for those who may see it', async () => {
      await using world = await openManagement(engine);
      const [a, b] = [await addProject(world, 'team-a'), await addProject(world, 'team-b')];
      const names = async (
        visible: Parameters<ManagementWorld['management']['projects']['list']>[1],
      ) =>
        (await world.management.projects.list(EVERYTHING, visible)).items.map(({ name }) => name);

      assert.deepEqual(await names('all'), ['local', 'docker.io', 'team-a', 'team-b']);
      assert.deepEqual(await names({ projects: [] }), ['local', 'docker.io']);
      assert.deepEqual(await names({ projects: [b] }), ['local', 'docker.io', 'team-b']);
      const page = await world.management.projects.list(
        {
          filters: [
            { field: 'name', kind: 'fuzzy', value: 'team' },
            { field: 'isPublic', kind: 'exact', value: 'false' },
          ],
          sort: [{ field: 'name', descending: true }],
          offset: 1,
          limit: 1,
        },
        { projects: [a, b] },
      );
      assert.deepEqual(
        page.items.map(({ name }) => name),
        ['team-a'],
      );
      assert.equal(page.total, 2);
    });

    it('has a limit that is read and set', async () => {
      await using world = await openManagement(engine);
      const id = await addProject(world, 'team');
      const image = await imageWithBlobs(world, 'team/app', 'one');

      await world.management.quotas.set(id, 10_000, ANN);

      const { used, limit, project } = await world.management.quotas.get(id);
      assert.equal(limit, 10_000);
      assert.equal(used, image.config.bytes.length + image.layer.bytes.length);
      assert.deepEqual(project, { id, name: 'team', owner: 'ann' });
      await assert.rejects(world.management.quotas.set(id, -2, ANN), { code: 'BAD_REQUEST' });
      await assert.rejects(world.management.quotas.set(999, 5, ANN), { code: 'NOT_FOUND' });
      const { items } = await world.management.quotas.list({
        ...EVERYTHING,
        sort: [{ field: 'used', descending: true }],
      });
      assert.equal(items[0]?.id, id);
    });
  });
}
