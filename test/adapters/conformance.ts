import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OCI_INDEX } from '../../src/oci/media-type.ts';
import { until } from '../support/until.ts';
import { conformsToChunkedPeer } from './conformance-chunks.ts';
import { conformsToDiscoveringPeer } from './conformance-discovery.ts';
import { conformsToWritablePeer } from './conformance-pushes.ts';
import { conformsToReadablePeer } from './conformance-readable.ts';
import { conformsToReferredPeer } from './conformance-referrers.ts';
import { NOWHERE, readableOf, type StartVendor } from './vendor.ts';

/** What every adapter of a registry must do, whatever its vendor: each one's test calls this once. */
export function conformsToPeer(start: StartVendor): void {
  conformsToReadablePeer(readableOf(start));
  describe('as a registry peer', () => {
    conformsToManifestPeer(start);
    conformsToDiscoveringPeer(start);
    conformsToWritablePeer(start);
    conformsToChunkedPeer(start);
    conformsToReferredPeer(start);
  });
}

function conformsToManifestPeer(start: StartVendor): void {
  const signal = AbortSignal.timeout(30_000);

  it('resolves a tag by HEAD to digest, type and size', async () => {
    await using vendor = await start();
    const { manifest } = vendor.upstream.addImage('library/alpine', '3.20', [Buffer.from('layer')]);

    const head = await vendor.peer.headManifest('library/alpine', '3.20', { signal });

    const { digest, mediaType, size } = manifest;
    assert.deepEqual(head, { digest, mediaType, size });
    assert.equal(vendor.upstream.count({ method: 'GET', path: /manifests/ }), 0);
  });

  it('leaves out what HEAD does not say', async () => {
    await using vendor = await start();
    vendor.upstream.addImage('library/alpine', '3.20', []);
    const headers = { 'docker-content-digest': '', 'content-length': '' };
    vendor.upstream.behave({ method: 'HEAD' }, { headers, sayNoLength: true });

    const head = await vendor.peer.headManifest('library/alpine', '3.20', { signal });

    assert.equal(head?.digest, undefined);
    assert.equal(head?.size, undefined);
  });

  it('says nothing at all where HEAD is refused', async () => {
    await using vendor = await start();
    vendor.upstream.behave({ method: 'HEAD' }, { status: 405 });

    assert.equal(await vendor.peer.headManifest('library/alpine', '3.20', { signal }), undefined);
    assert.equal(await vendor.peer.blobSize('library/alpine', NOWHERE, { signal }), undefined);
  });

  it('asks for every kind of manifest', async () => {
    await using vendor = await start();
    vendor.upstream.addImage('library/alpine', '3.20', []);

    await vendor.peer.manifest('library/alpine', '3.20', { signal });

    const accept = vendor.upstream.requests.at(-1)?.headers.accept ?? '';
    assert.match(accept, /vnd\.oci\.image\.index/);
    assert.match(accept, /manifest\.list\.v2/);
    assert.match(accept, /vnd\.oci\.image\.manifest/);
    assert.match(accept, /distribution\.manifest\.v2/);
  });

  it('refuses a manifest that is not the digest asked for, or not the one announced', async () => {
    await using vendor = await start();
    const { manifest } = vendor.upstream.addImage('library/alpine', '3.20', []);
    vendor.upstream.behave({ path: /manifests/ }, { shorterBy: 1 });

    for (const reference of [manifest.digest, '3.20']) {
      await assert.rejects(vendor.peer.manifest('library/alpine', reference, { signal }), {
        name: 'UpstreamInvalid',
      });
    }
  });

  it('refuses a page that is no JSON as the registry’s fault', async () => {
    await using vendor = await start();
    vendor.upstream.addManifest('library/alpine', Buffer.from('<html>log in</html>'), {
      tag: '3.20',
      mediaType: 'text/html',
    });

    await assert.rejects(vendor.peer.manifest('library/alpine', '3.20', { signal }), {
      name: 'UpstreamInvalid',
      message: /no JSON/,
    });
  });

  it('refuses schema 1 with a word to the user', async () => {
    await using vendor = await start();
    const schema1 = { schemaVersion: 1, name: 'library/alpine', fsLayers: [] };
    vendor.upstream.addManifest('library/alpine', schema1, {
      tag: 'ancient',
      mediaType: 'application/vnd.docker.distribution.manifest.v1+prettyjws',
    });

    await assert.rejects(vendor.peer.manifest('library/alpine', 'ancient', { signal }), {
      code: 'MANIFEST_INVALID',
      message: /schema 1/,
    });
  });

  it('refuses a manifest larger than any may be, without taking all of it', async () => {
    await using vendor = await start();
    const huge = { schemaVersion: 2, mediaType: OCI_INDEX, padding: 'x'.repeat(20 * 2 ** 20) };
    vendor.upstream.addManifest('library/alpine', huge, { tag: 'huge', mediaType: OCI_INDEX });

    await assert.rejects(vendor.peer.manifest('library/alpine', 'huge', { signal }), {
      name: 'UpstreamInvalid',
    });
    const [request] = vendor.upstream.seen({ path: /huge/ });
    await until(() => request?.isOver === true);
    assert.ok((request?.sentBytes ?? 0) < 20 * 2 ** 20);
  });

  it('follows a redirect of a manifest', async () => {
    await using vendor = await start();
    await using storage = await start();
    const { bytes } = storage.upstream.addImage('moved/alpine', '3.20', []);
    vendor.upstream.behave(
      { path: /manifests/ },
      { redirectTo: new URL('v2/moved/alpine/manifests/3.20', storage.upstream.url) },
    );

    const manifest = await vendor.peer.manifest('library/alpine', '3.20', { signal });

    assert.deepEqual(manifest.bytes, bytes);
  });
}
