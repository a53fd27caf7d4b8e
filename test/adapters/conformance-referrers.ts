import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import { digestOf } from '../../src/oci/digest.ts';
import type { Manifest } from '../../src/oci/manifest.ts';
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-type.ts';
import { fallbackTagOf } from '../support/upstream-content.ts';
import { NOWHERE, type StartVendor } from './vendor.ts';

const REPOSITORY = 'team/app';
const SUBJECT: Descriptor = { mediaType: OCI_MANIFEST, digest: NOWHERE, size: 10 };
const TAG = fallbackTagOf(NOWHERE);
const TAGGED = { method: 'PUT', path: new RegExp(`/manifests/${TAG}$`) } as const;

/** What refers to something else is found by it, whether or not the registry knows of referrers. */
export function conformsToReferredPeer(start: StartVendor): void {
  const signal = AbortSignal.timeout(60_000);

  it('lists what it pushes under the subject’s tag, where there is no API', async () => {
    await using vendor = await start({ referrersApi: false });
    const [bill, signature] = [referrer('bill'), referrer('signature')];

    for (const manifest of [bill, signature, bill]) {
      const { digest } = manifest.descriptor;
      await vendor.peer.pushManifest(REPOSITORY, digest, manifest, { signal });
    }

    const index = await vendor.peer.manifest(REPOSITORY, TAG, { signal });
    assert.equal(index.descriptor.mediaType, OCI_INDEX);
    assert.deepEqual(JSON.parse(Buffer.from(index.bytes).toString()), {
      schemaVersion: 2,
      mediaType: OCI_INDEX,
      manifests: [entryOf(bill, 'bill'), entryOf(signature, 'signature')],
    });
    assert.equal(vendor.upstream.count(TAGGED), 2, 'what is listed is not listed again');
    const found = await vendor.peer.referrers(REPOSITORY, NOWHERE, { signal });
    assert.deepEqual(
      found.map(({ digest }) => digest),
      [bill.descriptor.digest, signature.descriptor.digest],
    );
  });

  it('loses none of those that are pushed at one time', async () => {
    await using vendor = await start({ referrersApi: false });
    const all = ['a', 'b', 'c', 'd'].map((kind) => referrer(kind));

    await Promise.all(
      all.map((manifest) =>
        vendor.peer.pushManifest(REPOSITORY, manifest.descriptor.digest, manifest, { signal }),
      ),
    );

    const found = await vendor.peer.referrers(REPOSITORY, NOWHERE, { signal });
    assert.deepEqual(
      found.map(({ digest }) => digest).toSorted(),
      all.map(({ descriptor }) => descriptor.digest).toSorted(),
    );
  });

  it('keeps no list where the registry does', async () => {
    await using vendor = await start();
    const bill = referrer('bill');

    await vendor.peer.pushManifest(REPOSITORY, bill.descriptor.digest, bill, { signal });

    assert.equal(vendor.upstream.count({ method: 'PUT', path: /\/manifests\// }), 1);
    const [found] = await vendor.peer.referrers(REPOSITORY, NOWHERE, { signal });
    assert.equal(found?.digest, bill.descriptor.digest);
  });

  it('believes no registry that says it lists, and does not', async () => {
    await using vendor = await start({ referrersApi: false });
    vendor.upstream.behave({ method: 'PUT' }, { headers: { 'oci-subject': NOWHERE } });
    const bill = referrer('bill');

    await vendor.peer.pushManifest(REPOSITORY, bill.descriptor.digest, bill, { signal });

    assert.equal(vendor.upstream.count(TAGGED), 1);
  });

  it('finds out once whether the registry lists', async () => {
    await using vendor = await start();

    for (const manifest of ['a', 'b', 'c'].map((kind) => referrer(kind))) {
      const { digest } = manifest.descriptor;
      await vendor.peer.pushManifest(REPOSITORY, digest, manifest, { signal });
    }

    assert.equal(vendor.upstream.count({ path: /\/referrers\// }), 1);
  });

  it('takes the subject itself behind its tag for no list: GitLab answers so', async () => {
    await using vendor = await start({ referrersApi: false });
    const { manifest } = vendor.upstream.addImage(REPOSITORY, undefined, []);
    vendor.upstream.tag(REPOSITORY, fallbackTagOf(manifest.digest), manifest.digest);
    const bill = referrer('bill', manifest);

    await vendor.peer.pushManifest(REPOSITORY, bill.descriptor.digest, bill, { signal });

    const [found] = await vendor.peer.referrers(REPOSITORY, manifest.digest, { signal });
    assert.equal(found?.digest, bill.descriptor.digest);
  });

  it('overwrites nothing that is behind the subject’s tag and no list', async () => {
    await using vendor = await start({ referrersApi: false });
    const other = referrer('other');
    vendor.upstream.addManifest(REPOSITORY, Buffer.from(other.bytes), { tag: TAG });
    const bill = referrer('bill');

    const pushed = vendor.peer.pushManifest(REPOSITORY, bill.descriptor.digest, bill, { signal });

    await assert.rejects(pushed, { code: 'MANIFEST_INVALID' });
    assert.equal(vendor.upstream.count(TAGGED), 0);
  });
}

function referrer(kind: string, subject: Descriptor = SUBJECT): Manifest {
  const empty = Buffer.from('{}');
  const bytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      artifactType: `application/x.${kind}`,
      config: { mediaType: 'application/vnd.oci.empty.v1+json', digest: digestOf(empty), size: 2 },
      layers: [],
      subject,
      annotations: { kind },
    }),
  );
  const descriptor = { mediaType: OCI_MANIFEST, digest: digestOf(bytes), size: bytes.length };
  return { bytes, descriptor };
}

function entryOf({ descriptor }: Manifest, kind: string): object {
  return { ...descriptor, artifactType: `application/x.${kind}`, annotations: { kind } };
}
