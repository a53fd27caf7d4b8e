import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DOCKER_LIST, OCI_INDEX } from '../../src/oci/media-type.ts';
import { databases } from '../support/databases.ts';
import { arrive, called, changesOf, contentOf, openWorld, type World } from './world.ts';

const app = 'local/app';
/** Says nothing about its own type. */
const index = contentOf('{"schemaVersion":2,"manifests":[]}');

for (const engine of databases) {
  describe(`pushing the same bytes again on ${engine.name}`, () => {
    it('as another type is refused, and leaves what is published as it is', async () => {
      await using world = await openWorld(engine);
      await pushAs(world, OCI_INDEX, 'latest');
      const changes = await changesOf(world);
      world.clock.at += 1000;

      await assert.rejects(pushAs(world, DOCKER_LIST, 'other'), {
        code: 'MANIFEST_INVALID',
        explanation: `${index.digest} is here as ${OCI_INDEX}, and cannot be ${DOCKER_LIST} too`,
      });

      const found = await world.manifests.find(app, { kind: 'tag', tag: 'latest' });
      assert.equal(found?.mediaType, OCI_INDEX);
      assert.deepEqual(await world.tags.list(app), ['latest']);
      assert.deepEqual(await changesOf(world), changes);
    });

    it('as the same type is fine, and as another one in another repository', async () => {
      await using world = await openWorld(engine);
      await pushAs(world, OCI_INDEX, 'latest');

      await pushAs(world, OCI_INDEX, 'other');
      await pushAs(world, DOCKER_LIST, 'latest', 'local/other');

      assert.deepEqual(await world.tags.list(app), ['latest', 'other']);
      const elsewhere = await world.manifests.find('local/other', { kind: 'tag', tag: 'latest' });
      assert.equal(elsewhere?.mediaType, DOCKER_LIST);
    });

    it('as another type than upstream told takes it over', async () => {
      await using world = await openWorld(engine);
      await arrive(world, app, index);

      await pushAs(world, DOCKER_LIST, 'latest');

      const found = await world.manifests.find(app, { kind: 'digest', digest: index.digest });
      assert.equal(found?.mediaType, DOCKER_LIST);
      const [change] = await changesOf(world);
      assert.equal(change?.media_type, DOCKER_LIST);
    });
  });
}

async function pushAs(
  { manifests }: Pick<World, 'manifests'>,
  contentType: string,
  tag: string,
  repository = app,
) {
  return manifests.put(repository, {
    bytes: index.bytes,
    contentType,
    reference: { kind: 'tag', tag },
    tags: [],
    actor: called('alice'),
    references: 'strict',
  });
}
