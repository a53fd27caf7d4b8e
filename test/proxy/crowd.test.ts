/** Many who ask at once, and what they may take from everybody else. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { digestOf } from '../../src/oci/digest.ts';
import { until } from '../support/until.ts';
import { addImage, BLOBS, MANIFESTS, MINUTE, openWorld, sizeOf } from './support/world.ts';

describe('clients that ask for much and hang up', () => {
  it('leave nothing in the queue: what was not asked upstream yet is not asked any more', async () => {
    await using world = await openWorld({ limits: { controlSlots: 2 } });
    addImage(world, '3.20');
    const { promise: hold, resolve: answer } = Promise.withResolvers<void>();
    world.upstream.behave({ path: MANIFESTS }, { hold });
    const crowd = new AbortController();
    const asking = Array.from({ length: 50 }, (_, i) =>
      world.head(`unknown-${i}`, undefined, crowd.signal),
    );
    await until(() => world.upstream.count({ path: MANIFESTS }) === 2);

    crowd.abort(new Error('gone'));
    await Promise.allSettled(asking);
    const wanted = world.manifest('3.20');
    answer();
    await wanted;

    assert.equal(world.upstream.count({ path: /unknown/ }), 2);
  });

  it('do not take a question from those who still wait for it', async () => {
    await using world = await openWorld({ limits: { controlSlots: 1 } });
    const { manifest } = addImage(world, '3.20');
    const { promise: hold, resolve: answer } = Promise.withResolvers<void>();
    world.upstream.behave({ path: MANIFESTS }, { hold });
    const first = world.head('first').catch(() => {});
    await until(() => world.upstream.count({ path: MANIFESTS }) === 1);
    const leaving = new AbortController();
    const left = world.manifest('3.20', undefined, leaving.signal);
    const staying = world.manifest('3.20');
    await new Promise(setImmediate);

    leaving.abort(new Error('gone'));
    await assert.rejects(left, { message: 'gone' });
    const late = world.manifest('3.20');
    answer();

    assert.equal((await staying).digest, manifest.digest);
    assert.equal((await late).digest, manifest.digest);
    await first;
  });

  it('do not keep those from asking who come right after them', async () => {
    await using world = await openWorld({ limits: { controlSlots: 1 } });
    const { manifest } = addImage(world, '3.20');
    const { promise: hold, resolve: answer } = Promise.withResolvers<void>();
    world.upstream.behave({ path: MANIFESTS }, { hold });
    const first = world.head('first').catch(() => {});
    await until(() => world.upstream.count({ path: MANIFESTS }) === 1);
    const leaving = new AbortController();
    const left = world.manifest('3.20', undefined, leaving.signal);
    await new Promise(setImmediate);

    leaving.abort(new Error('gone'));
    const after = world.manifest('3.20');
    await assert.rejects(left, { message: 'gone' });
    answer();

    assert.equal((await after).digest, manifest.digest);
    await first;
  });

  it('ask upstream once for a digest that it does not have, until that is forgotten', async () => {
    await using world = await openWorld();
    const { manifest } = addImage(world, '3.20');
    const unknown = digestOf(Buffer.from('nothing'), 'sha256');

    for (let times = 0; times < 3; times++) {
      await assert.rejects(world.manifest(unknown), { code: 'MANIFEST_UNKNOWN' });
      await assert.rejects(world.head(unknown), { code: 'MANIFEST_UNKNOWN' });
      await assert.rejects(sizeOf(world, unknown), { code: 'BLOB_UNKNOWN' });
      await assert.rejects(world.blob(unknown), { code: 'BLOB_UNKNOWN' });
    }
    assert.equal(world.upstream.count({ path: MANIFESTS }), 1);
    assert.equal(world.upstream.count({ path: BLOBS }), 1);
    assert.equal((await world.manifest(manifest.digest)).digest, manifest.digest);

    world.pass(MINUTE);
    await assert.rejects(world.manifest(unknown), { code: 'MANIFEST_UNKNOWN' });
    await assert.rejects(world.blob(unknown), { code: 'BLOB_UNKNOWN' });
    assert.equal(world.upstream.count({ path: MANIFESTS }), 3);
    assert.equal(world.upstream.count({ path: BLOBS }), 2);
  });
});

describe('more clients than an upstream can serve', () => {
  it('are told to come again instead of waiting in a queue without end', async () => {
    await using world = await openWorld({ limits: { controlSlots: 1, waiting: 2 } });
    const { promise: hold, resolve: answer } = Promise.withResolvers<void>();
    world.other.behave({}, { hold });
    const head = (tag: string) => world.head(tag, 'other.example/app');
    const waiting = ['a', 'b', 'c'].map((tag) => head(tag).catch(() => {}));
    await until(() => world.other.count({ path: MANIFESTS }) === 1);

    await assert.rejects(head('d'), { code: 'UNAVAILABLE', retryAfterSeconds: 5 });

    answer();
    await Promise.all(waiting);
  });
});
