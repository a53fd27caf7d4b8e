import assert from 'node:assert/strict';
import { buffer } from 'node:stream/consumers';
import { it } from 'node:test';
import { until } from '../support/until.ts';
import { startUpstream } from '../support/upstream.ts';
import { type Held, NOWHERE, type Readable, type StartReadable } from './vendor.ts';

const REPOSITORY = 'library/alpine';
const BLOBS = { path: /\/blobs\// } as const;

/** Reading blobs: whole, in parts, and from registries that get parts wrong. */
export function conformsToBlobPeer(start: StartReadable): void {
  const signal = AbortSignal.timeout(30_000);

  it('streams a blob', async () => {
    await using vendor = await start();
    const held = await holding(vendor);

    const part = await vendor.peer.blob(REPOSITORY, held.digest, { signal });

    assert.deepEqual([part.start, part.size], [0, held.content.length]);
    assert.deepEqual(await buffer(part.content), held.content);
  });

  it('says BLOB_UNKNOWN rather than stream an error page', async () => {
    await using vendor = await start();
    await holding(vendor);

    const expected = { code: 'BLOB_UNKNOWN' };
    await assert.rejects(vendor.peer.blob(REPOSITORY, NOWHERE, { signal }), expected);
    await assert.rejects(vendor.peer.blobSize(REPOSITORY, NOWHERE, { signal }), expected);
  });

  it('says how large a blob is without fetching it', async () => {
    await using vendor = await start();
    const held = await holding(vendor);

    const sentBytes = vendor.upstream.sentBytes(BLOBS);

    const size = await vendor.peer.blobSize(REPOSITORY, held.digest, { signal });

    assert.equal(size, held.content.length);
    assert.equal(vendor.upstream.sentBytes(BLOBS), sentBytes);
  });

  const parts: readonly { readonly start: number; readonly end?: number }[] = [
    { start: 3 },
    { start: 3, end: 5 },
    { start: 0, end: 1 },
    { start: 8, end: 99_999 },
  ];
  for (const range of parts) {
    it(`streams a part of a blob: ${JSON.stringify(range)}`, async () => {
      await using vendor = await start();
      const held = await holding(vendor);

      const part = await vendor.peer.blob(REPOSITORY, held.digest, { signal, range });

      assert.deepEqual([part.start, part.size], [range.start, held.content.length]);
      const expected = held.content.subarray(range.start, range.end);
      assert.deepEqual(await buffer(part.content), expected);
    });
  }

  it('tells where the bytes start when the registry ignores the range', async () => {
    await using vendor = await start();
    const held = await holding(vendor);
    vendor.upstream.behave(BLOBS, { ignoreRange: true });

    const part = await vendor.peer.blob(REPOSITORY, held.digest, { signal, range: { start: 3 } });

    assert.deepEqual([part.start, part.size], [0, held.content.length]);
    assert.deepEqual(await buffer(part.content), held.content);
  });

  it('takes the whole blob from a registry that will not give a part', async () => {
    await using vendor = await start();
    const held = await holding(vendor);
    vendor.upstream.behave({ ...BLOBS, times: 1 }, { status: 416 });

    const part = await vendor.peer.blob(REPOSITORY, held.digest, { signal, range: { start: 3 } });

    assert.equal(part.start, 0);
    assert.deepEqual(await buffer(part.content), held.content);
  });

  it('refuses a part from beyond the blob’s end', async () => {
    await using vendor = await start();
    const held = await holding(vendor);
    const size = held.content.length;

    await assert.rejects(
      vendor.peer.blob(REPOSITORY, held.digest, { signal, range: { start: size } }),
      { name: 'UpstreamInvalid', message: new RegExp(`${size} bytes`) },
    );
  });

  for (const lie of ['bytes 4-9/10', 'bytes 3-99/*', 'items 3-5/10', '']) {
    it(`refuses a part that says it is "${lie}"`, async () => {
      await using vendor = await start();
      const held = await holding(vendor);
      vendor.upstream.behave(BLOBS, { headers: { 'content-range': lie } });

      const range = { start: 3, end: 6 };
      await assert.rejects(vendor.peer.blob(REPOSITORY, held.digest, { signal, range }), {
        name: 'UpstreamInvalid',
      });
    });
  }

  it('refuses a blob that is encoded for transport', async () => {
    await using vendor = await start();
    const held = await holding(vendor);
    vendor.upstream.behave(BLOBS, { headers: { 'content-encoding': 'gzip' } });

    await assert.rejects(vendor.peer.blob(REPOSITORY, held.digest, { signal }), {
      name: 'UpstreamInvalid',
    });
    assert.equal(vendor.upstream.requests.at(-1)?.headers['accept-encoding'], 'identity');
  });

  const breaks = [
    { name: 'ends early', how: { cutAfter: 4 }, reason: 'unreachable' },
    { name: 'is reset', how: { resetAfter: 4 }, reason: 'unreachable' },
    { name: 'falls silent', how: { stallAfter: 4 }, reason: 'timeout' },
  ];
  for (const { name, how, reason } of breaks) {
    it(`fails the stream when the connection ${name}`, async () => {
      await using vendor = await start();
      const peer = vendor.connect({ limits: { silenceMs: 100 } });
      const held = await holding(vendor, peer);
      vendor.upstream.behave(BLOBS, how);

      const part = await peer.blob(REPOSITORY, held.digest, { signal });

      await assert.rejects(buffer(part.content), { name: 'UpstreamUnavailable', reason });
    });
  }

  it('ends the transfer when the stream is destroyed, or the signal aborts', async () => {
    await using vendor = await start();
    const held = await holding(vendor);
    vendor.upstream.behave(BLOBS, { stallAfter: 4 });
    const controller = new AbortController();

    const destroyed = await vendor.peer.blob(REPOSITORY, held.digest, { signal });
    destroyed.content.destroy();
    const aborted = await vendor.peer.blob(REPOSITORY, held.digest, { signal: controller.signal });
    controller.abort(new Error('enough'));

    await assert.rejects(buffer(aborted.content), { message: 'enough' });
    await until(() => areOver(vendor));
  });

  it('follows a redirect to storage and leaves the login behind', async () => {
    await using vendor = await start();
    await using storage = await startUpstream();
    vendor.lock();
    const peer = vendor.known();
    const held = await holding(vendor, peer);
    const { digest } = storage.addBlob('bucket', held.content);
    vendor.upstream.behave(BLOBS, {
      redirectTo: () => new URL(`v2/bucket/blobs/${digest}`, storage.url),
    });

    const part = await peer.blob(REPOSITORY, held.digest, { signal, range: { start: 5 } });

    assert.deepEqual(await buffer(part.content), held.content.subarray(5));
    assert.match(
      vendor.upstream.requests.at(-1)?.headers.authorization ?? '',
      /^(?:Basic|Bearer) /,
    );
    assert.equal(storage.requests[0]?.headers.authorization, undefined);
    assert.equal(storage.requests[0]?.headers.range, 'bytes=5-');
  });

  /** The blob of an artifact that was looked at: what is asked next is asked for the blob alone. */
  async function holding(vendor: Readable, peer = vendor.peer): Promise<Held> {
    const held = await vendor.hold(REPOSITORY, '3.20');
    await peer.headManifest(REPOSITORY, '3.20', { signal });
    return held;
  }
}

function areOver({ upstream }: Readable): boolean {
  return upstream.requests.every(({ isOver }) => isOver);
}
