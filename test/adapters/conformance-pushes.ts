import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { it } from 'node:test';
import { digestOf } from '../../src/oci/digest.ts';
import { OCI_MANIFEST } from '../../src/oci/media-type.ts';
import type { OpenBlob, RegistryPeer } from '../../src/registry/peer.ts';
import { until } from '../support/until.ts';
import { NOWHERE, type StartVendor } from './vendor.ts';

const MIB = 2 ** 20;
const BYTES = Buffer.from(Array.from({ length: 5 * MIB }, (_, at) => (at * 31) % 251));
const BLOB = { digest: digestOf(BYTES), size: BYTES.length };
const UPLOADS = /\/blobs\/uploads\//;

/** Writing: blobs, manifests, tags, and taking them away again. */
export function conformsToWritablePeer(start: StartVendor): void {
  const signal = AbortSignal.timeout(60_000);

  it('pushes a blob in one piece, with its length', async () => {
    await using vendor = await start();
    let sentBytes = 0;

    await vendor.peer.pushBlob('team/app', BLOB, opening(BYTES), {
      signal,
      sent(bytes) {
        sentBytes += bytes;
      },
    });

    assert.deepEqual(vendor.upstream.blobIn('team/app', BLOB.digest), BYTES);
    assert.equal(sentBytes, BYTES.length);
    const methods = vendor.upstream.seen({ path: UPLOADS }).map(({ method }) => method);
    assert.deepEqual(methods, ['POST', 'PUT']);
    const { headers } = vendor.upstream.requests.at(-1) ?? {};
    assert.equal(headers?.['content-length'], String(BYTES.length));
  });

  it('pushes a blob of nothing', async () => {
    await using vendor = await start();
    const blob = { digest: digestOf(Buffer.alloc(0)), size: 0 };

    await vendor.peer.pushBlob('team/app', blob, opening(Buffer.alloc(0)), { signal });

    assert.deepEqual(vendor.upstream.blobIn('team/app', blob.digest), Buffer.alloc(0));
  });

  it('keeps what the registry wrote into the place of an upload', async () => {
    await using vendor = await start();

    await vendor.peer.pushBlob('team/app', BLOB, opening(BYTES), { signal });

    const path = vendor.upstream.requests.at(-1)?.path ?? '';
    assert.match(path, /\?_state=a%20b%2Bc&digest=sha256/);
  });

  it('tells the registry’s refusal of a blob that is not its digest', async () => {
    await using vendor = await start();
    const blob = { digest: NOWHERE, size: BYTES.length };

    await assert.rejects(vendor.peer.pushBlob('team/app', blob, opening(BYTES), { signal }), {
      name: 'UpstreamRefused',
      status: 400,
      code: 'DIGEST_INVALID',
    });
  });

  it('pushes with a token that lets it, and says nothing of itself elsewhere', async () => {
    await using vendor = await start();
    await using storage = await start();
    vendor.lock();
    const elsewhere = (path: string) => new URL(path, storage.upstream.url).href;
    vendor.upstream.uploads.rules = { location: elsewhere };
    // What storage has to know of the session is in its own hands.
    storage.upstream.behave({ method: 'PUT' }, { status: 201, body: '' });
    const peer = vendor.known();

    await peer.pushBlob('team/app', BLOB, opening(BYTES), { signal });

    const [post] = vendor.upstream.seen({ method: 'POST', path: UPLOADS }).toReversed();
    assert.match(post?.headers.authorization ?? '', /^(?:Basic|Bearer) /);
    const [put] = storage.upstream.requests;
    assert.equal(put?.method, 'PUT');
    assert.equal(put?.headers.authorization, undefined);
  });

  it('renews a credential that expired between the two halves of a push', async () => {
    await using vendor = await start();
    vendor.lock();
    const opened: number[] = [];
    const open: OpenBlob = async (at) => {
      // The first time it is opened for the request whose credential is good no more.
      if (opened.push(at) === 1) vendor.expire();
      return Readable.from([BYTES.subarray(at)]);
    };

    await vendor.known().pushBlob('team/app', BLOB, open, { signal });

    assert.deepEqual(vendor.upstream.blobIn('team/app', BLOB.digest), BYTES);
    assert.deepEqual(opened, [0, 0]);
  });

  it('mounts a blob from another repository, where the vendor can', async () => {
    await using vendor = await start();
    vendor.upstream.addBlob('team/base', BYTES);
    vendor.lock();
    const peer = vendor.known();

    const isMounted = await peer.mountBlob('team/app', BLOB.digest, 'team/base', { signal });

    assert.equal(isMounted, vendor.capabilities.mount);
    const there = vendor.upstream.blobIn('team/app', BLOB.digest);
    assert.deepEqual(there, isMounted ? BYTES : undefined);
  });

  it('leaves no upload behind where a blob cannot be mounted', async () => {
    await using vendor = await start();

    const isMounted = await vendor.peer.mountBlob('team/app', NOWHERE, 'team/base', { signal });

    assert.equal(isMounted, false);
    assert.equal(vendor.upstream.uploads.open, 0);
  });

  it('pushes a manifest byte for byte, by digest and by tag', async () => {
    await using vendor = await start();
    const manifest = manifestOf('one');

    const { digest } = manifest.descriptor;
    await vendor.peer.pushManifest('team/app', digest, manifest, { signal });
    await vendor.peer.pushManifest('team/app', '1.0', manifest, { signal });

    const read = await vendor.peer.manifest('team/app', '1.0', { signal });
    assert.deepEqual(read, manifest);
    assert.equal(vendor.upstream.tagged('team/app', '1.0'), digest);
  });

  it('does not believe a registry that keeps a manifest under another digest', async () => {
    await using vendor = await start();
    vendor.upstream.behave({ method: 'PUT' }, { headers: { 'docker-content-digest': NOWHERE } });

    await assert.rejects(vendor.peer.pushManifest('team/app', '1.0', manifestOf('x'), { signal }), {
      name: 'UpstreamInvalid',
    });
  });

  it('tells why a manifest is refused, in the registry’s words', async () => {
    await using vendor = await start();
    const body = '{"errors":[{"code":"MANIFEST_INVALID","message":"no such media type here"}]}';
    vendor.upstream.behave({ method: 'PUT' }, { status: 415, body });

    await assert.rejects(vendor.peer.pushManifest('team/app', '1.0', manifestOf('x'), { signal }), {
      name: 'UpstreamRefused',
      status: 415,
      code: 'MANIFEST_INVALID',
      words: 'no such media type here',
    });
    assert.equal(vendor.upstream.count({ method: 'PUT' }), 1);
  });

  const refusals = [
    { status: 401, expected: { name: 'UpstreamDenied', status: 401 } },
    { status: 403, expected: { name: 'UpstreamDenied', status: 403 } },
    { status: 404, expected: { name: 'OciError', code: 'NAME_UNKNOWN' } },
    { status: 413, expected: { name: 'UpstreamRefused', status: 413 } },
    { status: 429, expected: { name: 'UpstreamThrottled' } },
    { status: 503, expected: { name: 'UpstreamUnavailable', reason: 'server-error' } },
  ];
  for (const { status, expected } of refusals) {
    it(`tells ${status} to a push as it is`, async () => {
      await using vendor = await start();
      const headers = status === 401 ? { 'www-authenticate': 'Basic realm="x"' } : {};
      vendor.upstream.behave({ method: 'POST' }, { status, headers });
      vendor.upstream.behave({ method: 'PUT' }, { status, headers });
      const manifest = manifestOf('x');

      // Each on its own: who is told to wait asks nothing else.
      const pushes = (peer: RegistryPeer) =>
        peer.pushManifest('team/app', '1', manifest, { signal });
      await assert.rejects(pushes(vendor.connect({})), expected);
      const peer = vendor.connect({});
      await assert.rejects(peer.pushBlob('team/app', BLOB, opening(BYTES), { signal }), expected);
    });
  }

  it('stops a push with the signal’s own reason, and leaves no upload behind', async () => {
    await using vendor = await start();
    vendor.upstream.behave({ method: 'PUT', path: UPLOADS }, { ignoreBodyAfter: MIB });
    const controller = new AbortController();
    const opened: Readable[] = [];
    const open: OpenBlob = async () => {
      const content = Readable.from(slowly(BYTES));
      opened.push(content);
      return content;
    };

    const pushing = vendor.peer.pushBlob('team/app', BLOB, open, { signal: controller.signal });
    const refused = assert.rejects(pushing, { message: 'changed my mind' });
    await until(() => vendor.upstream.requests.some(({ receivedBytes }) => receivedBytes >= MIB));
    controller.abort(new Error('changed my mind'));
    await refused;

    assert.ok(opened.every(({ destroyed }) => destroyed));
    await until(() => vendor.upstream.uploads.open === 0);
  });

  it('deletes a manifest with its tags, or says that there is none', async () => {
    await using vendor = await start();
    const { manifest } = vendor.upstream.addImage('team/app', '1.0', []);
    const deleting = vendor.peer.deleteManifest('team/app', manifest.digest, { signal });
    if (!vendor.capabilities.deleteManifest) {
      await assert.rejects(deleting, { code: 'UNSUPPORTED' });
      return;
    }

    await deleting;

    assert.equal(vendor.upstream.tagged('team/app', '1.0'), undefined);
    await assert.rejects(vendor.peer.deleteManifest('team/app', manifest.digest, { signal }), {
      code: 'MANIFEST_UNKNOWN',
    });
  });

  it('reads back what it pushed', async () => {
    await using vendor = await start();

    await vendor.peer.pushBlob('team/app', BLOB, opening(BYTES), { signal });

    const { content } = await vendor.peer.blob('team/app', BLOB.digest, { signal });
    assert.deepEqual(await buffer(content), BYTES);
  });
}

/** From memory, at any place. */
export function opening(bytes: Buffer): OpenBlob {
  return async (at) => Readable.from(slowly(bytes.subarray(at)));
}

/** In pieces, as they come from a socket. */
function* slowly(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += 100_000) yield bytes.subarray(at, at + 100_000);
}

export function manifestOf(made: string) {
  const bytes = Buffer.from(
    JSON.stringify({ schemaVersion: 2, mediaType: OCI_MANIFEST, made, layers: [] }),
  );
  const descriptor = { mediaType: OCI_MANIFEST, digest: digestOf(bytes), size: bytes.length };
  return { bytes, descriptor };
}
