import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EVERYTHING } from '../../src/database/listing.ts';
import { databases } from '../support/databases.ts';
import { ANN, addProject, type ManagementWorld, openManagement, told } from './management-world.ts';
import { called, imageWithBlobs, indexOf, push } from './world.ts';

const ALL = { pattern: '**', excludes: false };
const RELEASES = { repositories: ALL, tags: { pattern: 'v*', excludes: false } };
const held = { code: 'TAG_IMMUTABLE', message: /due to 'app:v1' configured as immutable\.$/ };

for (const engine of databases) {
  describe(`an immutable tag on ${engine.name}`, () => {
    it('is pushed once, and again as the same, and never as another', async () => {
      await using world = await openManagement(engine);
      await ruled(world);
      const [one, other] = await images(world);
      await push(world, 'team/app', one, { tag: 'v1' });
      await push(world, 'team/app', one, { tag: 'v1' });
      await push(world, 'team/app', one, { tag: 'latest' });

      await assert.rejects(push(world, 'team/app', other, { tag: 'v1' }), held);
      await push(world, 'team/app', other, { tag: 'latest' });

      const kept = await world.manifests.find('team/app', { kind: 'tag', tag: 'v1' });
      assert.equal(kept?.digest, one.digest);
    });

    it('is not deleted, nor is its manifest', async () => {
      await using world = await openManagement(engine);
      await ruled(world);
      const [one] = await images(world);
      await push(world, 'team/app', one, { tag: 'v1', tags: ['latest'] });

      await assert.rejects(world.tags.remove('team/app', 'v1', called('ann')), held);
      await assert.rejects(world.manifests.remove('team/app', one.digest, called('ann')), held);
      await world.tags.remove('team/app', 'latest', called('ann'));

      assert.deepEqual(await world.tags.list('team/app'), ['v1']);
    });

    it('keeps all that it is made of, down to the layers of what its index lists', async () => {
      await using world = await openManagement(engine);
      await ruled(world);
      const [one, other] = await images(world);
      await push(world, 'team/app', one);
      await push(world, 'team/app', other, { tag: 'latest' });
      const index = indexOf([one]);
      await push(world, 'team/app', index, { tag: 'v1' });
      const { artifacts } = world.management;
      const child = { kind: 'digest', digest: one.digest } as const;

      for (const { digest } of [one.layer, one.config]) {
        await assert.rejects(world.blobs.unlink('team/app', digest), held);
      }
      const removing = artifacts.remove({ repository: 'team/app', reference: child }, ANN);
      await assert.rejects(removing, { code: 'PRECONDITION' });
      await assert.rejects(world.manifests.remove('team/app', one.digest, called('ann')), {
        code: 'DENIED',
      });

      assert.ok(await world.manifests.find('team/app', child));
      await world.blobs.unlink('team/app', other.layer.digest);
    });

    it('is one only while its rule is there and not disabled', async () => {
      await using world = await openManagement(engine);
      const { project, rule } = await ruled(world);
      const [one, other] = await images(world);
      await push(world, 'team/app', one, { tag: 'v1' });

      const { immutableRules } = world.management;
      await immutableRules.update(project, rule, { disabled: true, rule: RELEASES }, ANN);
      await push(world, 'team/app', other, { tag: 'v1' });
      await immutableRules.update(project, rule, { disabled: false, rule: RELEASES }, ANN);
      await assert.rejects(push(world, 'team/app', one, { tag: 'v1' }), held);
      await immutableRules.remove(project, rule, ANN);
      await push(world, 'team/app', one, { tag: 'v1' });
    });

    it('is so by a rule of its own project', async () => {
      await using world = await openManagement(engine);
      const { project, rule } = await ruled(world);
      const other = await addProject(world, 'other');
      const { immutableRules } = world.management;
      const content = { disabled: false, rule: RELEASES };

      await assert.rejects(immutableRules.create(project, content, ANN), { code: 'CONFLICT' });
      await assert.rejects(immutableRules.create(999, content, ANN), { code: 'NOT_FOUND' });
      await assert.rejects(immutableRules.remove(other, rule, ANN), { code: 'NOT_FOUND' });
      await assert.rejects(immutableRules.update(other, rule, content, ANN), { code: 'NOT_FOUND' });
      const wrong = { ...RELEASES, tags: { pattern: '[', excludes: false } };
      const creating = immutableRules.create(other, { disabled: false, rule: wrong }, ANN);
      await assert.rejects(creating, { code: 'BAD_REQUEST', message: /tags\.pattern/ });
      assert.deepEqual((await immutableRules.list(project, EVERYTHING)).items, [
        { id: rule, disabled: false, rule: RELEASES },
      ]);
      assert.equal((await immutableRules.list(other, EVERYTHING)).total, 0);
      assert.equal((await told(world))[1], `ann create immutable-tag ${rule}`);
    });
  });
}

async function ruled(world: ManagementWorld): Promise<{ project: number; rule: number }> {
  const project = await addProject(world, 'team');
  const content = { disabled: false, rule: RELEASES };
  const { id } = await world.management.immutableRules.create(project, content, ANN);
  return { project, rule: id };
}

async function images(world: ManagementWorld) {
  return [
    await imageWithBlobs(world, 'team/app', 'one'),
    await imageWithBlobs(world, 'team/app', 'other'),
  ] as const;
}
