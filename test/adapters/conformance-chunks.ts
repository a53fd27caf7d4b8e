import assert from 'node:assert/strict';
import { it } from 'node:test';
import { digestOf } from '../../src/oci/digest.ts';
import { opening } from './conformance-pushes.ts';
import type { StartVendor, Vendor } from './vendor.ts';

const MIB = 2 ** 20;
const BYTES = Buffer.from(Array.from({ length: 5 * MIB }, (_, at) => (at * 13) % 241));
const BLOB = { digest: digestOf(BYTES), size: BYTES.length };
const PUT = { method: 'PUT', path: /\/blobs\/uploads\// } as const;
const PATCH = { method: 'PATCH', path: /\/blobs\/uploads\// } as const;

/** Pushing a blob that is longer than a chunk may be: in several requests where the vendor takes them, and in one elsewhere. */
export function conformsToChunkedPeer(start: StartVendor): void {
  it('goes on in chunks from where a push in one piece broke off, or starts again where the vendor takes none', async () => {
    await using vendor = await startAsItCan(start);
    vendor.upstream.behave({ ...PUT, times: 1 }, { resetBodyAfter: 2 * MIB });

    const opened = await pushInto(vendor);

    assert.deepEqual(vendor.upstream.blobIn('team/app', BLOB.digest), BYTES);
    if (!vendor.capabilities.chunkedPush) {
      assert.deepEqual(opened, [0, 0]);
      assert.deepEqual(chunksTo(vendor), []);
      return;
    }
    assert.deepEqual(opened, [0, 2 * MIB]);
    assert.deepEqual(chunksTo(vendor), rangesFrom(2));
    assert.equal(receivedBy(vendor), BYTES.length);
  });

  it('goes on from where a chunk broke off, where the vendor takes any', async () => {
    await using vendor = await startAsItCan(start);
    vendor.upstream.behave({ ...PUT, times: 1 }, { resetBodyAfter: MIB });
    vendor.upstream.behave({ ...PATCH, times: 1 }, { resetBodyAfter: MIB / 2 });

    await pushInto(vendor);

    assert.deepEqual(vendor.upstream.blobIn('team/app', BLOB.digest), BYTES);
    if (!vendor.capabilities.chunkedPush) {
      assert.deepEqual(chunksTo(vendor), []);
      return;
    }
    const [broken, next, ...more] = chunksTo(vendor);
    assert.deepEqual([broken, next], [`${MIB}-${2 * MIB - 1}`, `${1.5 * MIB}-${2.5 * MIB - 1}`]);
    assert.equal(more.at(-1), `${4.5 * MIB}-${5 * MIB - 1}`);
    assert.equal(receivedBy(vendor), BYTES.length);
  });

  it('sends chunks where something on the way takes no more at once, or says that the blob is too large', async () => {
    await using vendor = await startAsItCan(start);
    vendor.upstream.behave({ ...PUT, times: 1 }, { status: 413 });

    if (!vendor.capabilities.chunkedPush) {
      await assert.rejects(pushInto(vendor), { name: 'UpstreamRefused', status: 413 });
      assert.deepEqual(chunksTo(vendor), []);
      assert.equal(vendor.upstream.blobIn('team/app', BLOB.digest), undefined);
      return;
    }
    await pushInto(vendor);

    assert.deepEqual(vendor.upstream.blobIn('team/app', BLOB.digest), BYTES);
    assert.deepEqual(chunksTo(vendor), rangesFrom(0));
    const last = vendor.upstream.seen(PUT).at(-1);
    assert.equal(last?.headers['content-length'], '0');
  });
}

/** One that refuses chunks where its vendor does. */
async function startAsItCan(start: StartVendor): Promise<Vendor> {
  const vendor = await start();
  vendor.upstream.uploads.rules = { chunks: vendor.capabilities.chunkedPush };
  return vendor;
}

/** In chunks of one mebibyte at most; tells where the content was opened. */
async function pushInto(vendor: Vendor): Promise<readonly number[]> {
  const signal = AbortSignal.timeout(60_000);
  const content = opening(BYTES);
  const opened: number[] = [];
  const peer = vendor.connect({ limits: { chunkBytes: MIB } });
  await peer.pushBlob(
    'team/app',
    BLOB,
    (at, options) => {
      opened.push(at);
      return content(at, options);
    },
    { signal },
  );
  return opened;
}

function chunksTo({ upstream }: Vendor): readonly (string | undefined)[] {
  return upstream.seen(PATCH).map(({ headers }) => headers['content-range']);
}

/** Of chunks of one mebibyte each, from that one on. */
function rangesFrom(first: number): readonly string[] {
  return Array.from({ length: 5 - first }, (_, n) => {
    const at = (first + n) * MIB;
    return `${at}-${at + MIB - 1}`;
  });
}

function receivedBy({ upstream }: Vendor): number {
  return upstream.requests.reduce((sum, { receivedBytes }) => sum + receivedBytes, 0);
}
