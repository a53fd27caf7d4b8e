import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { conformsToBlobPeer } from './conformance-blobs.ts';
import { conformsToRefusedPeer } from './conformance-refusals.ts';
import type { StartReadable } from './vendor.ts';

/** What every adapter must do, those included whose vendor is no registry: nothing is written, and no protocol is assumed. */
export function conformsToReadablePeer(start: StartReadable): void {
  describe('as a peer that is read', () => {
    conformsToArtifactPeer(start);
    conformsToBlobPeer(start);
    conformsToRefusedPeer(start);
  });
}

function conformsToArtifactPeer(start: StartReadable): void {
  const signal = AbortSignal.timeout(30_000);

  it('resolves a tag to digest, type and size', async () => {
    await using vendor = await start();
    const { manifest } = await vendor.hold('library/alpine', '3.20');

    const head = await vendor.peer.headManifest('library/alpine', '3.20', { signal });

    assert.deepEqual(head, manifest.descriptor);
  });

  it('gets a manifest by tag and by digest, byte for byte', async () => {
    await using vendor = await start();
    const { manifest } = await vendor.hold('library/alpine', '3.20');
    const { digest } = manifest.descriptor;

    const byTag = await vendor.peer.manifest('library/alpine', '3.20', { signal });
    const byDigest = await vendor.peer.manifest('library/alpine', digest, { signal });

    assert.deepEqual(byTag, manifest);
    assert.deepEqual(byDigest, byTag);
  });

  it('lists tags of one repository', async () => {
    await using vendor = await start();
    for (const tag of ['1.0', '2.0']) await vendor.hold('library/alpine', tag);
    await vendor.hold('library/node', '3.0');

    const tags = await Array.fromAsync(vendor.peer.tags('library/alpine', { signal }));

    assert.deepEqual(tags.toSorted(), ['1.0', '2.0']);
  });

  it('says NAME_UNKNOWN for the tags of a repository that is not there', async () => {
    await using vendor = await start();
    await vendor.hold('library/node', '3.0');

    await assert.rejects(Array.fromAsync(vendor.peer.tags('library/alpine', { signal })), {
      code: 'NAME_UNKNOWN',
    });
  });
}
