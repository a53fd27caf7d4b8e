import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ReferrerPage } from '../../src/catalog/referrers.ts';
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-type.ts';
import { databases } from '../support/databases.ts';
import {
  arrive,
  type Content,
  called,
  contentOf,
  imageWithBlobs,
  indexOf,
  openWorld,
  push,
  type World,
} from './world.ts';

const app = 'local/app';

for (const engine of databases) {
  describe(`referrers on ${engine.name}`, () => {
    it('are the manifests that name the subject, as those manifests describe themselves', async () => {
      await using world = await openWorld(engine);
      const { subject, signature, report } = await pushReferrers(world);

      const expected = [
        {
          mediaType: OCI_MANIFEST,
          digest: signature.digest,
          size: signature.bytes.length,
          artifactType: 'application/x-signature',
          annotations: { by: 'alice' },
        },
        {
          mediaType: OCI_INDEX,
          digest: report.digest,
          size: report.bytes.length,
          artifactType: undefined,
          annotations: {},
        },
      ];
      assert.deepEqual(await world.referrers.list(app, subject.digest), {
        referrers: expected.toSorted(byDigest),
        next: undefined,
      });
    });

    it('are told apart by the type of artifact', async () => {
      await using world = await openWorld(engine);
      const { subject, signature } = await pushReferrers(world);

      const list = async (type: string) =>
        digestsOf(await world.referrers.list(app, subject.digest, { artifactType: type }));

      assert.deepEqual(await list('application/x-signature'), [signature.digest]);
      assert.deepEqual(await list('application/x-other'), []);
    });

    it('are none, and no error, where nobody ever pushed', async () => {
      await using world = await openWorld(engine);
      const { subject } = await pushReferrers(world);

      const none = { referrers: [], next: undefined };
      assert.deepEqual(await world.referrers.list('local/never', subject.digest), none);
      assert.deepEqual(await world.referrers.list('no/project', subject.digest), none);
      assert.deepEqual(await world.referrers.list(app, contentOf('unknown').digest), none);
      assert.equal(await world.referrers.exist(app, subject.digest), true);
      assert.equal(await world.referrers.exist('local/never', subject.digest), false);
    });

    it('may come before their subject, and stay when it goes', async () => {
      await using world = await openWorld(engine);
      const { subject, signature, report } = await pushReferrers(world);
      await push(world, app, subject);

      await world.manifests.remove(app, subject.digest, called('bob'));
      await world.manifests.remove(app, report.digest, called('bob'));

      const found = await world.referrers.list(app, subject.digest);
      assert.deepEqual(digestsOf(found), [signature.digest]);
    });

    it('include what a client listed under the fallback tag, as far as it is true', async () => {
      await using world = await openWorld(engine);
      const { subject, signature, report } = await pushReferrers(world);
      const unrelated = await imageWithBlobs(world, app, 'unrelated');
      await push(world, app, unrelated);
      const fallback = indexOf([signature, unrelated]);
      const tag = subject.digest.replace(':', '-');
      await push(world, app, fallback, { tag });

      const found = await world.referrers.list(app, subject.digest);

      assert.deepEqual(digestsOf(found), [signature.digest, report.digest].toSorted());
      const byTag = await world.manifests.find(app, { kind: 'tag', tag });
      assert.deepEqual(byTag?.bytes, fallback.bytes);
    });

    it('that were pulled through are listed too', async () => {
      await using world = await openWorld(engine);
      const subject = contentOf('subject');
      const signature = indexOf([], { subject: descriptorOf(subject) });
      await arrive(world, 'docker.io/library/a', signature);

      const found = await world.referrers.list('docker.io/library/a', subject.digest);

      assert.deepEqual(digestsOf(found), [signature.digest]);
    });

    it('come in pages of as many as eight mebibytes of manifests', async () => {
      await using world = await openWorld(engine);
      const subject = contentOf('subject');
      const all: Content[] = [];
      for (const [letter, mebibytes] of [
        ['a', 3],
        ['b', 3],
        ['c', 3],
        ['d', 9],
        ['e', 1],
      ] as const) {
        const annotations = { text: letter.repeat(mebibytes << 20) };
        const referrer = indexOf([], { subject: descriptorOf(subject), annotations });
        await push(world, app, referrer);
        all.push(referrer);
      }

      const pages = [await world.referrers.list(app, subject.digest)];
      for (let last = pages[0]?.next; last !== undefined; last = pages.at(-1)?.next) {
        pages.push(await world.referrers.list(app, subject.digest, { last }));
      }

      assert.deepEqual(pages.flatMap(digestsOf), all.map(({ digest }) => digest).toSorted());
      for (const { referrers } of pages) {
        const bytes = referrers.reduce((sum, { size }) => sum + size, 0);
        assert.ok(bytes <= 8 << 20 || referrers.length === 1, `${bytes} bytes in one page`);
      }
      assert.ok(pages.length >= 3);
    });
  });
}

/** A subject that is not there yet, and an image and an index that refer to it. */
async function pushReferrers(world: World) {
  const subject = await imageWithBlobs(world, app, 'subject');
  const signature = await imageWithBlobs(world, app, 'signature', {
    artifactType: 'application/x-signature',
    subject: descriptorOf(subject),
    annotations: { by: 'alice' },
  });
  const report = indexOf([], { subject: descriptorOf(subject) });
  await push(world, app, signature);
  await push(world, app, report);
  return { subject, signature, report };
}

function digestsOf({ referrers }: ReferrerPage): readonly string[] {
  return referrers.map(({ digest }) => digest);
}

function byDigest(one: { digest: string }, other: { digest: string }): number {
  return one.digest < other.digest ? -1 : 1;
}

function descriptorOf({ bytes, digest }: Content) {
  return { mediaType: OCI_MANIFEST, digest, size: bytes.length };
}
