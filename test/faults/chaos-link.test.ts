import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import got from 'got';
import { until } from '../support/until.ts';
import { startUpstream } from '../support/upstream.ts';
import { startChaosLink, UNKEPT_MS } from './support/chaos-link.ts';
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

  it('counts a blob that its reader had as long as it may to keep it', async () => {
    await using world = await readWhole();

    world.time.ms += UNKEPT_MS;
    world.link.giveUp(() => false);

    assert.equal(world.link.seen.breaks, 1);
  });

  it('counts no blob that its reader had longer, and has not kept', async () => {
    await using world = await readWhole();

    // The link hears of the end of an answer a little later than its reader.
    await until(async () => {
      world.link.countAnew();
      await world.read();
      world.time.ms += UNKEPT_MS + 1;
      world.link.giveUp(() => false);
      return world.link.seen.breaks === 0;
    });

    assert.equal(world.link.seen.bytes, LAYER.length);
  });
});

/** A link over which all of a blob went. */
async function readWhole() {
  await using opened = new AsyncDisposableStack();
  const upstream = opened.use(await startUpstream());
  const { layers } = upstream.addImage('library/app', 'v1', [LAYER]);
  const digest = layers[0]?.digest ?? assert.fail('one layer');
  const time = { ms: 0, [Symbol.dispose]: () => {} };
  const link = opened.use(await startChaosLink(upstream.url.href, time));
  const read = () => got(`${link.url}/v2/library/app/blobs/${digest}`).buffer();
  await read();
  const resources = opened.move();
  return { link, digest, time, read, [Symbol.asyncDispose]: () => resources.disposeAsync() };
}
