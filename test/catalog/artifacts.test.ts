import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EVERYTHING, type Filter } from '../../src/database/listing.ts';
import type { Digest } from '../../src/oci/digest.ts';
import { databases } from '../support/databases.ts';
import { APP, byDigest, filled, tag } from './filled-repository.ts';
import { ANN, addProject, openManagement, told } from './management-world.ts';
import { imageWithBlobs, indexOf, push } from './world.ts';

for (const engine of databases) {
  describe(`the artifacts of a repository on ${engine.name}`, () => {
    it('are told with all that belongs to them', async () => {
      await using world = await openManagement(engine);
      const { project, image, index, signature } = await filled(world);

      const found = await world.management.artifacts.get(APP, tag('multi'));

      assert.equal(found.type, 'IMAGE');
      assert.equal(found.digest, index.digest);
      assert.equal(found.repository.project, project);
      assert.deepEqual(
        found.tags.map(({ name, isImmutable }) => [name, isImmutable]),
        [['multi', false]],
      );
      const { length } = image.bytes;
      const below = length + image.config.bytes.length + image.layer.bytes.length;
      assert.equal(found.size, index.bytes.length + below);
      assert.deepEqual(found.annotations, { 'org.example.of': 'many' });
      const [child] = found.references;
      assert.equal(child?.digest, image.digest);
      assert.deepEqual(child?.platform, { architecture: 'arm64', os: 'linux', variant: 'v8' });
      assert.equal(child?.id, (await world.management.artifacts.get(APP, byDigest(image))).id);
      const [accessory] = found.accessories;
      assert.equal(accessory?.digest, signature.digest);
      assert.equal(accessory?.type, 'signature.cosign');
      assert.deepEqual(accessory?.subject, { id: found.id, digest: index.digest });
      const { mediaType, manifestMediaType } = await world.management.artifacts.get(
        APP,
        byDigest(image),
      );
      assert.match(mediaType, /config/);
      assert.match(manifestMediaType, /manifest/);
    });

    it('are listed without children and without what hangs on them, newest first', async () => {
      await using world = await openManagement(engine);
      const { index, chart } = await filled(world);

      const { items, total } = await world.management.artifacts.list(APP, EVERYTHING);

      assert.deepEqual(
        items.map(({ digest, type }) => [digest, type]),
        [
          [chart.digest, 'CHART'],
          [index.digest, 'IMAGE'],
        ],
      );
      assert.equal(total, 2);
      const [repository] = (await world.management.repositories.listAll(EVERYTHING, 'all')).items;
      assert.equal(repository?.artifactCount, 2);
    });

    it('with a tag of their own are listed, children or not', async () => {
      await using world = await openManagement(engine);
      const { image } = await filled(world);
      await world.management.artifacts.tag(
        { repository: APP, reference: byDigest(image) },
        'arm',
        ANN,
      );

      const { items } = await world.management.artifacts.list(APP, EVERYTHING);

      assert.equal(items.length, 3);
    });

    it('are filtered by tag, type, label and media type', async () => {
      await using world = await openManagement(engine);
      const { project, index, chart } = await filled(world);
      const place = { repository: APP, reference: byDigest(chart) };
      const { labels } = world.management;
      const content = { description: '', color: '' };
      const good = await labels.create({ ...content, name: 'good', project }, ANN);
      const old = await labels.create({ ...content, name: 'old', project: undefined }, ANN);
      await labels.attach(place, good.id, ANN);
      await labels.attach(place, old.id, ANN);
      await labels.attach({ repository: APP, reference: byDigest(index) }, old.id, ANN);
      const ids = [good, old].map(({ id }) => String(id));
      const both = [chart.digest, index.digest];
      const rows: readonly (readonly [Filter, readonly Digest[]])[] = [
        [{ field: 'tags', kind: 'exact', value: 'multi' }, [index.digest]],
        [{ field: 'tags', kind: 'fuzzy', value: 'UL' }, [index.digest]],
        [{ field: 'tags', kind: 'exact', value: '*' }, [index.digest]],
        [{ field: 'tags', kind: 'exact', value: 'nil' }, [chart.digest]],
        [{ field: 'tags', kind: 'any', values: ['multi', 'x'] }, [index.digest]],
        [{ field: 'type', kind: 'exact', value: 'CHART' }, [chart.digest]],
        [{ field: 'type', kind: 'any', values: ['CHART', 'IMAGE'] }, both],
        [{ field: 'type', kind: 'exact', value: 'WASM' }, []],
        [{ field: 'type', kind: 'exact', value: 'SIF' }, []],
        [{ field: 'type', kind: 'exact', value: 'UNKNOWN' }, []],
        [{ field: 'labels', kind: 'all', values: ids }, [chart.digest]],
        [{ field: 'labels', kind: 'any', values: ids }, both],
        [{ field: 'mediaType', kind: 'fuzzy', value: 'index' }, [index.digest]],
        [{ field: 'nonsense', kind: 'exact', value: 'x' }, both],
      ];
      for (const [filter, expected] of rows) {
        const query = { ...EVERYTHING, filters: [filter] };
        const { items, total } = await world.management.artifacts.list(APP, query);
        const found = items.map(({ digest }) => digest);
        assert.deepEqual([found, total], [expected, expected.length], JSON.stringify(filter));
      }
      const wrong = {
        ...EVERYTHING,
        filters: [{ field: 'labels', kind: 'exact', value: 'x' }],
      } as const;
      await assert.rejects(world.management.artifacts.list(APP, wrong), { code: 'BAD_REQUEST' });
    });

    it('are deleted with their tags, children and signatures, and the feed tells of it', async () => {
      await using world = await openManagement(engine);
      const { image, index, signature } = await filled(world);

      await world.management.artifacts.remove({ repository: APP, reference: tag('multi') }, ANN);

      for (const { digest } of [image, index, signature]) {
        assert.equal(await world.manifests.find(APP, { kind: 'digest', digest }), undefined);
      }
      assert.deepEqual(await world.tags.list(APP), []);
      assert.equal((await told(world)).at(-1), `ann delete artifact ${APP}@${index.digest}`);
      const kinds = (await world.database.read.selectFrom('changes').selectAll().execute()).map(
        ({ kind }) => kind,
      );
      assert.equal(kinds.filter((kind) => kind === 'manifest-deleted').length, 3);
    });

    it('stay while an index has them, and children that something else needs', async () => {
      await using world = await openManagement(engine);
      const { image, index } = await filled(world);
      const { artifacts } = world.management;
      const child = { repository: APP, reference: byDigest(image) };

      await assert.rejects(artifacts.remove(child, ANN), { code: 'PRECONDITION' });
      await artifacts.tag(child, 'arm', ANN);
      await artifacts.remove({ repository: APP, reference: byDigest(index) }, ANN);

      assert.equal((await artifacts.get(APP, tag('arm'))).digest, image.digest);
    });

    it('leave what hangs on them, where an index lists that', async () => {
      await using world = await openManagement(engine);
      const { index, signature } = await filled(world);
      const release = indexOf([signature]);
      await push(world, APP, release, { tag: 'release' });

      await world.management.artifacts.remove({ repository: APP, reference: tag('multi') }, ANN);

      assert.equal(await world.manifests.find(APP, byDigest(index)), undefined);
      assert.ok(await world.manifests.find(APP, byDigest(signature)));
    });

    it('are listed, however many entries an index has', async () => {
      await using world = await openManagement(engine);
      const { image } = await filled(world);
      const many = indexOf(Array.from({ length: 34_000 }, () => image));
      await push(world, APP, many, { tag: 'many' });

      const { references } = await world.management.artifacts.get(APP, tag('many'));

      assert.equal(references.length, 34_000);
      assert.ok(references.every(({ id }) => id !== undefined));
    });

    it('get a tag once, and lose it', async () => {
      await using world = await openManagement(engine);
      const { index, chart } = await filled(world);
      const { artifacts } = world.management;
      const place = { repository: APP, reference: byDigest(chart) };

      const { id } = await artifacts.tag(place, 'v1', ANN);
      assert.equal((await artifacts.tags(APP, tag('v1'), EVERYTHING)).items[0]?.id, id);
      await assert.rejects(artifacts.tag(place, 'multi', ANN), { code: 'CONFLICT' });
      await assert.rejects(artifacts.tag(place, 'not a tag', ANN), { code: 'BAD_REQUEST' });
      await assert.rejects(artifacts.untag(place, 'multi', ANN), { code: 'NOT_FOUND' });
      await artifacts.untag(place, 'v1', ANN);

      assert.deepEqual(await world.tags.list(APP), ['multi']);
      assert.equal((await artifacts.get(APP, byDigest(index))).tags.length, 1);
      const history = await world.tags.history(APP, 'v1');
      assert.deepEqual(
        history.map(({ actor, cause }) => [actor, cause]),
        [
          ['ann', 'api'],
          ['ann', 'api'],
        ],
      );
    });

    it('are copied with everything, and cost the other project what they take', async () => {
      await using world = await openManagement(engine);
      const { image, index, signature } = await filled(world);
      const other = await addProject(world, 'other');
      const { artifacts, quotas } = world.management;

      await artifacts.copy({ repository: APP, reference: byDigest(index) }, 'other/copy', ANN);

      const copy = await artifacts.get('other/copy', tag('multi'));
      assert.equal(copy.digest, index.digest);
      assert.equal(copy.accessories[0]?.digest, signature.digest);
      const stored = await world.manifests.find('other/copy', byDigest(image));
      assert.equal(stored?.complete, true);
      assert.ok(await world.blobs.find('other/copy', image.layer.digest));
      const { used } = await quotas.get(other);
      await quotas.set(other, used, ANN);
      await artifacts.copy({ repository: APP, reference: tag('multi') }, 'other/again', ANN);
      const more = await imageWithBlobs(world, APP, 'more');
      await push(world, APP, more, { tag: 'more' });
      const over = artifacts.copy({ repository: APP, reference: tag('more') }, 'other/copy', ANN);
      await assert.rejects(over, { code: 'DENIED' });
      assert.deepEqual(await world.tags.list('other/copy'), ['multi']);
    });

    it('are not copied where they cannot be', async () => {
      await using world = await openManagement(engine);
      await filled(world);
      const { artifacts } = world.management;
      const from = { repository: APP, reference: tag('multi') };

      const intoCache = artifacts.copy(from, 'docker.io/library/app', ANN);
      await assert.rejects(intoCache, { code: 'UNSUPPORTED' });
      await assert.rejects(artifacts.copy(from, 'nowhere/app', ANN), { code: 'NAME_UNKNOWN' });
      await assert.rejects(artifacts.copy(from, 'Team/app', ANN), { code: 'BAD_REQUEST' });
      const nothing = artifacts.copy({ ...from, reference: tag('nope') }, 'team/copy', ANN);
      await assert.rejects(nothing, { code: 'MANIFEST_UNKNOWN' });
    });

    it('tell how they were built', async () => {
      await using world = await openManagement(engine);
      const { image, index } = await filled(world);
      const { buildHistory } = world.management;
      const signal = AbortSignal.timeout(30_000);

      const steps = await buildHistory.of(APP, byDigest(image), { signal });

      assert.deepEqual(steps, [{ created_by: 'COPY . .', empty_layer: false }]);
      const ofIndex = buildHistory.of(APP, byDigest(index), { signal });
      await assert.rejects(ofIndex, { code: 'BAD_REQUEST' });
    });
  });
}
