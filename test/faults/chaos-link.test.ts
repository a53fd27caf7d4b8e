import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import got from 'got';
import { startUpstream } from '../support/upstream.ts';
import { startChaosLink } from './support/chaos-link.ts';
import { contentOf } from './support/content.ts';

const LAYER = contentOf('layer', 100_000);

describe('a link that counts what breaks', () => {
  it('counts a blob that was handed over whole, and that its reader has not kept', async () => {
    await using world = await readWhole();

    world.link.giveUp(() => false);

    assert.deepEqual(world.link.seen, { bytes: LAYER.length, breaks: 1, refused: 0 });
  });

  it('counts no blob that its reader keeps', async () => {
    await using world = await readWhole();

    world.link.giveUp((digest) => digest === world.digest);

    assert.equal(world.link.seen.breaks, 0);
  });

  it('counts a blob once, however often all is lost', async () => {
    await using world = await readWhole();

    world.link.giveUp(() => false);
    world.link.giveUp(() => false);

    assert.equal(world.link.seen.breaks, 1);
  });
});

/** A link over which all of a blob went. */
async function readWhole() {
  await using opened = new AsyncDisposableStack();
  const upstream = opened.use(await startUpstream());
  const { layers } = upstream.addImage('library/app', 'v1', [LAYER]);
  const digest = layers[0]?.digest ?? assert.fail('one layer');
  const link = opened.use(await startChaosLink(upstream.url.href));
  await got(`${link.url}/v2/library/app/blobs/${digest}`).buffer();
  const resources = opened.move();
  return { link, digest, [Symbol.asyncDispose]: () => resources.disposeAsync() };
}
