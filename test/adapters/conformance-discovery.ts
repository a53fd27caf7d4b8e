import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Digest } from '../../src/oci/digest.ts';
import { OCI_INDEX } from '../../src/oci/media-type.ts';
import type { Upstream } from '../support/upstream.ts';
import { fallbackTagOf } from '../support/upstream-content.ts';
import { NOWHERE, type StartVendor, type Vendor } from './vendor.ts';

/** Lists: tags and referrers, page after page. */
export function conformsToDiscoveringPeer(start: StartVendor): void {
  const signal = AbortSignal.timeout(30_000);

  it('lists tags over all pages', async () => {
    await using vendor = await start({ pageSize: 2 });
    const tags = ['1', '2', '3', '4', '5'];
    for (const tag of tags) vendor.upstream.addImage('library/alpine', tag, []);

    assert.deepEqual(await tagsOf(vendor), tags);
    assert.equal(vendor.upstream.count({ path: /tags\/list/ }), 3);
  });

  it('lists no tags where there are none', async () => {
    await using vendor = await start();
    vendor.upstream.addBlob('library/alpine', Buffer.from('layer'));

    assert.deepEqual(await tagsOf(vendor), []);
  });

  it('does not follow pages in a circle', async () => {
    await using vendor = await start();
    vendor.upstream.addImage('library/alpine', '1', []);
    const link = '</v2/library/alpine/tags/list?n=1000&last=1>; rel="next"';
    vendor.upstream.behave({}, { headers: { link } });

    await assert.rejects(tagsOf(vendor), { name: 'UpstreamInvalid', message: /circle/ });
  });

  it('does not follow pages that are more than anybody could keep', async () => {
    await using vendor = await start({ pageSize: 1 });
    for (let tag = 1; tag <= 9; tag++) vendor.upstream.addImage('library/alpine', `${tag}`, []);
    const peer = vendor.connect({ limits: { pagesBytes: 150 } });

    await assert.rejects(tagsOf({ peer }), {
      name: 'UpstreamInvalid',
      message: /150 bytes/,
    });
    assert.equal(vendor.upstream.requests.length, 4);
  });

  it('asks its own registry for the next page, whatever the link says', async () => {
    await using vendor = await start({ pageSize: 1 });
    await using other = await start();
    vendor.upstream.addImage('library/alpine', '1', []);
    vendor.upstream.addImage('library/alpine', '2', []);
    const link = `<${other.upstream.url.href}elsewhere?n=1&last=1>; rel="next"`;
    vendor.upstream.behave({ times: 1 }, { headers: { link } });

    assert.deepEqual(await tagsOf(vendor), ['1', '2']);
    assert.equal(other.upstream.requests.length, 0);
  });

  it('lists referrers over all pages of the API', async () => {
    await using vendor = await start({ pageSize: 1 });
    const { manifest } = vendor.upstream.addImage('library/alpine', '3.20', []);
    const signature = addReferrer(vendor.upstream, manifest.digest, 'application/x.signature');
    const bill = addReferrer(vendor.upstream, manifest.digest, 'application/x.bill');

    const referrers = await vendor.peer.referrers('library/alpine', manifest.digest, { signal });

    assert.deepEqual(
      referrers.map(({ digest, artifactType, annotations }) => [digest, artifactType, annotations]),
      [
        [signature.digest, 'application/x.signature', { by: 'test' }],
        [bill.digest, 'application/x.bill', { by: 'test' }],
      ],
    );
  });

  it('lists referrers from the fallback tag where there is no API', async () => {
    await using vendor = await start({ referrersApi: false });
    const { manifest } = vendor.upstream.addImage('library/alpine', '3.20', []);
    const signature = addReferrer(vendor.upstream, manifest.digest, 'application/x.signature');
    const entry = { ...signature, artifactType: 'application/x.signature' };
    addIndex(vendor.upstream, manifest.digest, [entry, { digest: 'nonsense' }]);

    const referrers = await vendor.peer.referrers('library/alpine', manifest.digest, { signal });

    assert.deepEqual(referrers, [{ ...entry, annotations: {} }]);
  });

  it('knows that there is no API after it was told once', async () => {
    await using vendor = await start({ referrersApi: false });

    await vendor.peer.referrers('library/alpine', NOWHERE, { signal });
    await vendor.peer.referrers('library/alpine', NOWHERE, { signal });

    assert.equal(vendor.upstream.count({ path: /referrers/ }), 1);
    assert.equal(vendor.upstream.count({ method: 'GET', path: /manifests/ }), 0);
  });

  it('concludes nothing about other repositories from one that is not there', async () => {
    await using vendor = await start();
    const { manifest } = vendor.upstream.addImage('library/alpine', '3.20', []);
    const signature = addReferrer(vendor.upstream, manifest.digest, 'application/x.signature');
    // zot says it without a body.
    vendor.upstream.behave({ path: /library\/nope/ }, { status: 404, body: '' });

    await vendor.peer.referrers('library/nope', NOWHERE, { signal });
    const listed = await vendor.peer.referrers('library/alpine', manifest.digest, { signal });

    assert.deepEqual(
      listed.map(({ digest }) => digest),
      [signature.digest],
    );
  });

  it('takes an answer of another type than an index for no API', async () => {
    await using vendor = await start();
    const { manifest } = vendor.upstream.addImage('library/alpine', '3.20', []);
    addReferrer(vendor.upstream, manifest.digest, 'application/x.signature');
    vendor.upstream.behave({ path: /referrers/ }, { headers: { 'content-type': 'text/html' } });

    assert.deepEqual(
      await vendor.peer.referrers('library/alpine', manifest.digest, { signal }),
      [],
    );
  });

  it('does not take the subject itself for the list of its referrers', async () => {
    await using vendor = await start({ referrersApi: false });
    const child = vendor.upstream.addImage('library/alpine', undefined, []).manifest;
    const index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [child] };
    const subject = vendor.upstream.addManifest('library/alpine', index, { mediaType: OCI_INDEX });
    vendor.upstream.tag('library/alpine', fallbackTagOf(subject.digest), subject.digest);

    assert.deepEqual(await vendor.peer.referrers('library/alpine', subject.digest, { signal }), []);
  });

  function tagsOf({ peer }: Pick<Vendor, 'peer'>): Promise<string[]> {
    return Array.fromAsync(peer.tags('library/alpine', { signal }));
  }
}

function addReferrer(upstream: Upstream, subject: Digest, artifactType: string) {
  const empty = upstream.addBlob(
    'library/alpine',
    Buffer.from('{}'),
    'application/vnd.oci.empty.v1+json',
  );
  return upstream.addManifest('library/alpine', {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    artifactType,
    config: empty,
    layers: [],
    subject: { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest: subject, size: 1 },
    annotations: { by: 'test' },
  });
}

function addIndex(upstream: Upstream, subject: Digest, manifests: readonly object[]): void {
  const index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests };
  upstream.addManifest('library/alpine', index, {
    tag: fallbackTagOf(subject),
    mediaType: OCI_INDEX,
  });
}
