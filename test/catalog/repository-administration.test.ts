import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EVERYTHING } from '../../src/database/listing.ts';
import { databases } from '../support/databases.ts';
import { APP, byDigest, filled, tag } from './filled-repository.ts';
import { ANN, addProject, openManagement } from './management-world.ts';

for (const engine of databases) {
  describe(`a repository by the API on ${engine.name}`, () => {
    it('is described, and goes with everything in it', async () => {
      await using world = await openManagement(engine);
      const { project, image } = await filled(world);
      const { repositories, quotas } = world.management;

      await repositories.describe(APP, 'ours', ANN);
      assert.equal((await repositories.get(APP)).description, 'ours');
      assert.equal((await repositories.list(project, EVERYTHING)).total, 1);
      await repositories.remove(APP, ANN);

      await assert.rejects(repositories.get(APP), { code: 'NAME_UNKNOWN' });
      assert.equal((await quotas.get(project)).used, 0);
      assert.equal(await world.blobs.find(APP, image.layer.digest), undefined);
      assert.equal(await world.manifests.find(APP, tag('multi')), undefined);
      const bytes = await world.database.read.selectFrom('manifest_bytes').selectAll().execute();
      assert.equal(bytes.length, 0);
    });

    it('stays while a rule holds one of its tags', async () => {
      await using world = await openManagement(engine);
      const { project } = await filled(world);
      const all = { pattern: '**', excludes: false };
      const rule = { disabled: false, rule: { repositories: all, tags: all } };
      await world.management.immutableRules.create(project, rule, ANN);

      await assert.rejects(world.management.repositories.remove(APP, ANN), {
        code: 'TAG_IMMUTABLE',
      });
      assert.equal((await world.management.repositories.get(APP)).artifactCount, 2);
    });
  });

  describe(`a label on ${engine.name}`, () => {
    it('is one of its name in its project, and is put on artifacts of that', async () => {
      await using world = await openManagement(engine);
      const { project, chart } = await filled(world);
      const { labels, artifacts } = world.management;
      const other = await addProject(world, 'other');
      const content = { name: 'good', description: 'tested', color: '#0f0' };
      const { id } = await labels.create({ ...content, project }, ANN);
      const foreign = await labels.create({ ...content, project: other }, ANN);
      const place = { repository: APP, reference: byDigest(chart) };

      await labels.attach(place, id, ANN);

      const { labels: on } = await artifacts.get(APP, byDigest(chart));
      assert.deepEqual(
        on.map(({ name, color, description }) => ({ name, color, description })),
        [content],
      );
      await assert.rejects(labels.attach(place, id, ANN), { code: 'CONFLICT' });
      await assert.rejects(labels.attach(place, foreign.id, ANN), { code: 'NOT_FOUND' });
      await assert.rejects(labels.create({ ...content, project }, ANN), { code: 'CONFLICT' });
      await assert.rejects(labels.create({ ...content, project: 999 }, ANN), { code: 'NOT_FOUND' });
      const colored = labels.update(id, { ...content, color: '#'.repeat(17) }, ANN);
      await assert.rejects(colored, { code: 'BAD_REQUEST' });
      await labels.update(id, { ...content, name: 'better', color: 'false' }, ANN);
      assert.equal((await labels.list(project, EVERYTHING)).items[0]?.name, 'better');
      assert.equal((await labels.list(undefined, EVERYTHING)).total, 0);
      await labels.detach(place, id, ANN);
      await assert.rejects(labels.detach(place, id, ANN), { code: 'NOT_FOUND' });
      await labels.attach(place, id, ANN);
      await labels.remove(id, ANN);
      assert.deepEqual((await artifacts.get(APP, byDigest(chart))).labels, []);
      await assert.rejects(labels.get(id), { code: 'NOT_FOUND' });
    });
  });
}
