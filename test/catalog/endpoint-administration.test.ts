import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EVERYTHING } from '../../src/database/listing.ts';
import { databases } from '../support/databases.ts';
import { ANN, type ManagementWorld, openManagement, told } from './management-world.ts';

const signal = AbortSignal.timeout(60_000);
const LAB = { name: 'lab', adapter: 'distribution', url: 'https://lab.example' };
const LOGIN = { username: 'me', password: 'hunter2' };

for (const engine of databases) {
  describe(`an endpoint by the API on ${engine.name}`, () => {
    it('is made after its registry was asked, and does not say its password', async () => {
      await using world = await openManagement(engine);

      const { id } = await world.management.endpoints.create(
        { ...LAB, ...LOGIN, description: 'ours', ca: 'PEM' },
        ANN,
        { signal },
      );

      const {
        createdAt: _c,
        updatedAt: _u,
        ...endpoint
      } = await world.management.endpoints.get(id);
      assert.deepEqual(endpoint, {
        id,
        ...LAB,
        description: 'ours',
        declared: false,
        username: 'me',
        ca: 'PEM',
      });
      assert.deepEqual(world.pinged.at(-1)?.credential, LOGIN);
      const row = await rowOf(world, id);
      assert.ok(!JSON.stringify(row).includes('hunter2'));
      assert.deepEqual(await told(world), ['ann create registry lab']);
      assert.equal((await world.projects.endpoints()).at(-1)?.name, 'lab');
    });

    it('that somebody changed while its registry was asked is not changed back', async () => {
      const meanwhile = { happens: async (): Promise<void> => {} };
      await using world = await openManagement(engine, () => meanwhile.happens());
      const { endpoints } = world.management;
      const { id } = await endpoints.create(LAB, ANN, { signal });
      meanwhile.happens = () => endpoints.update(id, { description: 'new' }, ANN, { signal });

      await assert.rejects(endpoints.update(id, LOGIN, ANN, { signal }), { code: 'CONFLICT' });

      const { description, username } = await endpoints.get(id);
      assert.deepEqual([description, username], ['new', undefined]);
    });

    const refused = [
      ['whose registry does not answer', { ...LAB, url: 'https://down.example' }, 'BAD_REQUEST'],
      ['of a vendor nobody knows', { ...LAB, adapter: 'pigeon' }, 'BAD_REQUEST'],
      ['of no name', { ...LAB, name: '' }, 'BAD_REQUEST'],
      ['of a name as long as a book', { ...LAB, name: 'x'.repeat(65) }, 'BAD_REQUEST'],
      ['of a user without a password', { ...LAB, username: 'me' }, 'BAD_REQUEST'],
      ['of a name that is there', { ...LAB, name: 'docker.io' }, 'CONFLICT'],
      ['called as this node', { ...LAB, name: 'local' }, 'CONFLICT'],
    ] as const;
    it('is refused, and nothing is there,', async (t) => {
      await using world = await openManagement(engine);
      for (const [title, endpoint, code] of refused) {
        await t.test(title, async () => {
          const creating = world.management.endpoints.create(endpoint, ANN, { signal });
          await assert.rejects(creating, { name: 'ManagementError', code });
        });
      }
      assert.equal((await world.management.endpoints.list(EVERYTHING)).total, 1);
      assert.deepEqual(await told(world), []);
    });

    it('keeps what a change leaves out', async () => {
      await using world = await openManagement(engine);
      const { endpoints } = world.management;
      const { id } = await endpoints.create({ ...LAB, ...LOGIN }, ANN, { signal });
      const asked = world.pinged.length;

      await endpoints.update(id, { description: 'new', name: 'lab2' }, ANN, { signal });

      const { name, description, username, url } = await endpoints.get(id);
      assert.deepEqual([name, description, username, url], ['lab2', 'new', 'me', LAB.url]);
      assert.equal(world.pinged.length, asked, 'the registry is the same and need not answer');
      await endpoints.ping(id, { signal });
      assert.deepEqual(world.pinged.at(-1)?.credential, LOGIN);
    });

    it('gives its password to no other host', async () => {
      await using world = await openManagement(engine);
      const { endpoints } = world.management;
      const { id } = await endpoints.create({ ...LAB, ...LOGIN }, ANN, { signal });

      await endpoints.update(id, { url: 'https://thief.example' }, ANN, { signal });

      assert.equal((await endpoints.get(id)).username, undefined);
      assert.equal(world.pinged.at(-1)?.credential, undefined);
    });

    it('whose password does not open any more is there without it, and heals with another', async () => {
      await using world = await openManagement(engine);
      const { endpoints } = world.management;
      const { id } = await endpoints.create({ ...LAB, ...LOGIN }, ANN, { signal });
      await spoil(world, id);

      assert.equal((await endpoints.list(EVERYTHING)).total, 2);
      assert.equal((await endpoints.get(id)).username, undefined);
      const unreadable = { code: 'BAD_REQUEST', message: /credential of registry lab cannot be/ };
      await assert.rejects(endpoints.ping(id, { signal }), unreadable);
      await endpoints.update(id, { description: 'new' }, ANN, { signal });
      assert.equal((await rowOf(world, id))?.credential, 'lost', 'its key may be found again');
      await endpoints.update(id, LOGIN, ANN, { signal });

      assert.equal((await endpoints.get(id)).username, 'me');
      assert.deepEqual(world.pinged.at(-1)?.credential, LOGIN);
      for (const change of [{ username: '' }, { url: 'https://other.example' }]) {
        await spoil(world, id);
        await endpoints.update(id, change, ANN, { signal });
        assert.equal((await rowOf(world, id))?.credential, null);
      }
    });

    it('that a public project uses is given no credential, unless that says what to show', async () => {
      await using world = await openManagement(engine);
      const [hub] = await world.projects.endpoints();
      assert.ok(hub);
      const url = 'https://x.example';
      await world.database.write((transaction) =>
        transaction.updateTable('endpoints').set({ adapter: 'distribution', url }).execute(),
      );

      const giving = world.management.endpoints.update(hub.id, LOGIN, ANN, { signal });

      await assert.rejects(giving, { code: 'BAD_REQUEST', message: /docker\.io is public/ });
      assert.equal((await rowOf(world, hub.id))?.credential, null);
    });

    it('of the configuration file is changed there, and forgets what the API said before', async () => {
      await using world = await openManagement(engine);
      const { endpoints } = world.management;
      const { id } = await endpoints.create({ ...LAB, ...LOGIN }, ANN, { signal });
      await world.projects.declare({ projects: [], endpoints: [{ ...LAB, settings: {} }] });

      const refusal = { code: 'FORBIDDEN', message: /configuration file/ };
      await assert.rejects(endpoints.update(id, { description: 'x' }, ANN, { signal }), refusal);
      await assert.rejects(endpoints.remove(id, ANN), refusal);
      assert.equal((await rowOf(world, id))?.credential, null);
    });

    it('stays while a project uses it', async () => {
      await using world = await openManagement(engine);
      const { endpoints, projects } = world.management;
      const { id } = await endpoints.create(LAB, ANN, { signal });
      const proxy = { name: 'mirror', endpoint: id, metadata: {}, creator: undefined };
      const project = await projects.create(proxy, ANN);

      await assert.rejects(endpoints.remove(id, ANN), { code: 'PRECONDITION', message: /mirror/ });
      await projects.remove(project.id, ANN);
      await endpoints.remove(id, ANN);

      await assert.rejects(endpoints.get(id), { code: 'NOT_FOUND' });
      await assert.rejects(endpoints.get(0), { code: 'NOT_FOUND' });
    });
  });
}

/** As if its master key were lost. */
async function spoil({ database }: ManagementWorld, id: number): Promise<void> {
  await database.write((transaction) =>
    transaction.updateTable('endpoints').set({ credential: 'lost' }).where('id', '=', id).execute(),
  );
}

async function rowOf({ database }: ManagementWorld, id: number) {
  return database.read.selectFrom('endpoints').selectAll().where('id', '=', id).executeTakeFirst();
}
