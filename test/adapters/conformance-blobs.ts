import assert from 'node:assert/strict';
import { buffer } from 'node:stream/consumers';
import { it } from 'node:test';
import { until } from '../support/until.ts';
import { NOWHERE, type StartVendor, type Vendor } from './vendor.ts';

const TEN = Buffer.from('0123456789');

/** Reading blobs: whole, in parts, and from registries that get parts wrong. */
export function conformsToBlobPeer(start: StartVendor): void {
  const signal = AbortSignal.timeout(30_000);

  it('streams a blob', async () => {
    await using vendor = await start();
    const { digest } = vendor.upstream.addBlob('library/alpine', TEN);

    const {
      start: first,
      size,
      content,
    } = await vendor.peer.blob('library/alpine', digest, { signal });

    assert.deepEqual([first, size], [0, 10]);
    assert.deepEqual(await buffer(content), TEN);
  });

  it('says BLOB_UNKNOWN rather than stream an error page', async () => {
    await using vendor = await start();
    vendor.upstream.addBlob('library/alpine', TEN);

    const expected = { code: 'BLOB_UNKNOWN' };
    await assert.rejects(vendor.peer.blob('library/alpine', NOWHERE, { signal }), expected);
    await assert.rejects(vendor.peer.blobSize('library/alpine', NOWHERE, { signal }), expected);
  });

  it('says how large a blob is without fetching it', async () => {
    await using vendor = await start();
    const { digest } = vendor.upstream.addBlob('library/alpine', TEN);

    assert.equal(await vendor.peer.blobSize('library/alpine', digest, { signal }), 10);
    assert.equal(vendor.upstream.sentBytes({}), 0);
  });

  const parts = [
    { range: { start: 3 }, text: '3456789' },
    { range: { start: 3, end: 5 }, text: '34' },
    { range: { start: 0, end: 1 }, text: '0' },
    { range: { start: 8, end: 99 }, text: '89' },
  ];
  for (const { range, text } of parts) {
    it(`streams a part of a blob: ${JSON.stringify(range)}`, async () => {
      await using vendor = await start();
      const { digest } = vendor.upstream.addBlob('library/alpine', TEN);

      const part = await vendor.peer.blob('library/alpine', digest, { signal, range });

      assert.deepEqual([part.start, part.size], [range.start, 10]);
      assert.equal((await buffer(part.content)).toString(), text);
    });
  }

  it('tells where the bytes start when the registry ignores the range', async () => {
    await using vendor = await start();
    const { digest } = vendor.upstream.addBlob('library/alpine', TEN);
    vendor.upstream.behave({}, { ignoreRange: true });

    const part = await vendor.peer.blob('library/alpine', digest, { signal, range: { start: 3 } });

    assert.deepEqual([part.start, part.size], [0, 10]);
    assert.deepEqual(await buffer(part.content), TEN);
  });

  it('takes the whole blob from a registry that will not give a part', async () => {
    await using vendor = await start();
    const { digest } = vendor.upstream.addBlob('library/alpine', TEN);
    vendor.upstream.behave({ times: 1 }, { status: 416 });

    const part = await vendor.peer.blob('library/alpine', digest, { signal, range: { start: 3 } });

    assert.equal(part.start, 0);
    assert.deepEqual(await buffer(part.content), TEN);
  });

  it('refuses a part from beyond the blob’s end', async () => {
    await using vendor = await start();
    const { digest } = vendor.upstream.addBlob('library/alpine', TEN);

    await assert.rejects(
      vendor.peer.blob('library/alpine', digest, { signal, range: { start: 10 } }),
      { name: 'UpstreamInvalid', message: /10 bytes/ },
    );
  });

  for (const lie of ['bytes 4-9/10', 'bytes 3-99/*', 'items 3-5/10', '']) {
    it(`refuses a part that says it is "${lie}"`, async () => {
      await using vendor = await start();
      const { digest } = vendor.upstream.addBlob('library/alpine', TEN);
      vendor.upstream.behave({}, { headers: { 'content-range': lie } });

      const range = { start: 3, end: 6 };
      await assert.rejects(vendor.peer.blob('library/alpine', digest, { signal, range }), {
        name: 'UpstreamInvalid',
      });
    });
  }

  it('refuses a blob that is encoded for transport', async () => {
    await using vendor = await start();
    const { digest } = vendor.upstream.addBlob('library/alpine', TEN);
    vendor.upstream.behave({}, { headers: { 'content-encoding': 'gzip' } });

    await assert.rejects(vendor.peer.blob('library/alpine', digest, { signal }), {
      name: 'UpstreamInvalid',
    });
    assert.equal(vendor.upstream.requests[0]?.headers['accept-encoding'], 'identity');
  });

  const breaks = [
    { name: 'ends early', how: { cutAfter: 4 }, reason: 'unreachable' },
    { name: 'is reset', how: { resetAfter: 4 }, reason: 'unreachable' },
    { name: 'falls silent', how: { stallAfter: 4 }, reason: 'timeout' },
  ];
  for (const { name, how, reason } of breaks) {
    it(`fails the stream when the connection ${name}`, async () => {
      await using vendor = await start();
      const { digest } = vendor.upstream.addBlob('library/alpine', TEN);
      vendor.upstream.behave({}, how);
      const peer = vendor.connect({ limits: { silenceMs: 100 } });

      const part = await peer.blob('library/alpine', digest, { signal });

      await assert.rejects(buffer(part.content), { name: 'UpstreamUnavailable', reason });
    });
  }

  it('ends the transfer when the stream is destroyed, or the signal aborts', async () => {
    await using vendor = await start();
    const { digest } = vendor.upstream.addBlob('library/alpine', TEN);
    vendor.upstream.behave({}, { stallAfter: 4 });
    const controller = new AbortController();

    const destroyed = await vendor.peer.blob('library/alpine', digest, { signal });
    destroyed.content.destroy();
    const aborted = await vendor.peer.blob('library/alpine', digest, { signal: controller.signal });
    controller.abort(new Error('enough'));

    await assert.rejects(buffer(aborted.content), { message: 'enough' });
    await until(() => areOver(vendor));
  });

  it('follows a redirect to storage and leaves the login behind', async () => {
    await using vendor = await start();
    await using storage = await start();
    const { digest } = storage.upstream.addBlob('bucket', TEN);
    vendor.lock();
    vendor.upstream.behave(
      { path: /blobs/ },
      { redirectTo: () => new URL(`v2/bucket/blobs/${digest}`, storage.upstream.url) },
    );
    const peer = vendor.known();
    vendor.upstream.addImage('library/alpine', '3.20', []);
    await peer.headManifest('library/alpine', '3.20', { signal });

    const part = await peer.blob('library/alpine', digest, { signal, range: { start: 5 } });

    assert.equal((await buffer(part.content)).toString(), '56789');
    assert.match(
      vendor.upstream.requests.at(-1)?.headers.authorization ?? '',
      /^(?:Basic|Bearer) /,
    );
    assert.equal(storage.upstream.requests[0]?.headers.authorization, undefined);
    assert.equal(storage.upstream.requests[0]?.headers.range, 'bytes=5-');
  });
}

function areOver({ upstream }: Vendor): boolean {
  return upstream.requests.every(({ isOver }) => isOver);
}
