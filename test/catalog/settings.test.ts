import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Visible } from '../../src/catalog/managed-projects.ts';
import { databases } from '../support/databases.ts';
import { APP, filled, tag } from './filled-repository.ts';
import { ANN, addProject, openManagement, told } from './management-world.ts';
import { called, imageWithBlobs, push } from './world.ts';

const readOnly = { code: 'DENIED', message: /the system is in read only mode$/ };

for (const engine of databases) {
  describe(`the settings of the node on ${engine.name}`, () => {
    it('are what nobody changed, and then what somebody did', async () => {
      await using world = await openManagement(engine);
      const { settings } = world.management;
      assert.deepEqual(await settings.current(), {
        projectCreation: 'adminonly',
        robotDurationDays: 30,
        tokenMinutes: 5,
        storagePerProject: -1,
        readOnly: false,
        disabledAuditEvents: '',
      });

      await settings.change({ projectCreation: 'everyone', robotDurationDays: -1 }, ANN);
      await settings.change({ robotDurationDays: 7 }, ANN);

      const { projectCreation, robotDurationDays } = await settings.current();
      assert.deepEqual([projectCreation, robotDurationDays], ['everyone', 7]);
      assert.deepEqual(await told(world), [
        'ann update configuration projectCreation, robotDurationDays',
        'ann update configuration robotDurationDays',
      ]);
    });

    it('are only those that something obeys', async () => {
      await using world = await openManagement(engine);
      const { settings } = world.management;
      const wrong = [
        [{ ldapUrl: 'x' }, /^ldapUrl: nothing here obeys it$/],
        [{ projectCreation: 'nobody' }, /^projectCreation: /],
        [{ robotDurationDays: 0 }, /^robotDurationDays: /],
        [{ robotDurationDays: 2 ** 31 }, /^robotDurationDays: /],
        [{ readOnly: 'yes' }, /^readOnly: /],
        [
          { disabledAuditEvents: 'pull_artifact, push_artifact' },
          /^disabledAuditEvents: push_artifact is no type of event$/,
        ],
      ] as const;
      for (const [change, message] of wrong) {
        const changing = settings.change({ storagePerProject: 5, ...change }, ANN);
        await assert.rejects(changing, { code: 'BAD_REQUEST', message });
      }
      assert.equal((await settings.current()).storagePerProject, -1);
    });

    it('turn the audit of an event off, which is the last that it tells of it', async () => {
      await using world = await openManagement(engine);
      const { settings } = world.management;
      const off = 'update_configuration, create_project';
      await settings.change({ disabledAuditEvents: off }, ANN);
      await settings.change({ readOnly: true }, ANN);
      await addProject(world, 'quiet');
      await settings.change({ readOnly: false, disabledAuditEvents: '' }, ANN);
      await settings.change({ disabledAuditEvents: '' }, ANN);

      assert.deepEqual(await told(world), [
        'ann update configuration disabledAuditEvents',
        'ann update configuration disabledAuditEvents',
      ]);
    });

    it('limit new projects', async () => {
      await using world = await openManagement(engine);
      const before = await addProject(world, 'before');
      await world.management.settings.change({ storagePerProject: 1000 }, ANN);
      const after = await addProject(world, 'after');

      assert.equal((await world.management.quotas.get(before)).limit, -1);
      assert.equal((await world.management.quotas.get(after)).limit, 1000);
    });

    it('let nobody push, tag or delete while the node is read only', async () => {
      await using world = await openManagement(engine);
      await filled(world);
      const image = await imageWithBlobs(world, APP, 'more');
      const { settings, artifacts, repositories } = world.management;
      const multi = { repository: APP, reference: tag('multi') };
      await settings.change({ readOnly: true }, ANN);

      await assert.rejects(push(world, APP, image, { tag: 'v1' }), readOnly);
      const upload = { caller: 'ann', algorithm: 'sha256' } as const;
      await assert.rejects(world.uploads.start(APP, upload), readOnly);
      await assert.rejects(world.blobs.mount('team/b', image.layer.digest, APP), readOnly);
      await assert.rejects(world.blobs.unlink(APP, image.layer.digest), readOnly);
      await assert.rejects(world.tags.remove(APP, 'multi', called('ann')), readOnly);
      await assert.rejects(artifacts.tag(multi, 'v1', ANN), readOnly);
      await assert.rejects(artifacts.copy(multi, 'team/b', ANN), readOnly);
      await assert.rejects(artifacts.remove(multi, ANN), readOnly);
      await assert.rejects(repositories.remove(APP, ANN), readOnly);

      await settings.change({ readOnly: false }, ANN);
      await push(world, APP, image, { tag: 'v1' });
    });
  });

  describe(`the node as a whole on ${engine.name}`, () => {
    it('is counted and searched as far as one may see it', async () => {
      await using world = await openManagement(engine);
      const { project } = await filled(world);
      const { statistics } = world.management;

      assert.deepEqual(await statistics.counts(seen('all')), {
        public: { projects: 2, repositories: 0 },
        private: { projects: 1, repositories: 1 },
      });
      assert.deepEqual(await statistics.counts(seen({ projects: [] })), {
        public: { projects: 2, repositories: 0 },
        private: { projects: 0, repositories: 0 },
      });
      assert.ok((await statistics.storedBytes()) > 0);
      const found = await statistics.search('TEAM', seen({ projects: [project] }));
      assert.deepEqual(
        [found.projects.map(({ name }) => name), found.repositories.map(({ name }) => name)],
        [['team'], [APP]],
      );
      const hidden = await statistics.search('team', seen({ projects: [] }));
      assert.deepEqual([hidden.projects, hidden.repositories], [[], []]);
    });
  });
}

function seen(visible: Visible) {
  return { projects: visible, repositories: visible };
}
