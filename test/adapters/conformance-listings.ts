import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { VENDORS } from '../../adapters/index.ts';
import type { Digest } from '../../src/oci/digest.ts';
import type { RegistryPeer } from '../../src/registry/peer.ts';
import { PLAIN } from '../../src/registry/vendor.ts';

/** A vendor's registry with the API that it lists by. */
export interface ListedVendor extends AsyncDisposable {
  /** As somebody who may do everything there. */
  readonly peer: RegistryPeer;
  /** Puts an image there, in a repository that is made for it. */
  hold(repository: string, tag: string): Promise<Digest>;
}

export interface ListedOptions {
  readonly adapter: string;
  /** So many images are more than one page of tags has. */
  readonly moreThanPage: number;
  readonly start: () => Promise<ListedVendor>;
  /** Whether an image goes with its last tag. */
  readonly lastTagTakesImage?: boolean;
}

/** What every adapter must do that lists by more than the plain protocol. */
export function conformsToLists(options: ListedOptions): void {
  const { adapter, moreThanPage, start, lastTagTakesImage = false } = options;
  const signal = AbortSignal.timeout(120_000);
  const can = VENDORS.find(({ name }) => name === adapter)?.capabilities ?? PLAIN;

  describe('what it lists', () => {
    it('is all repositories, or those with a prefix', async () => {
      await using vendor = await start();
      for (const name of ['team/app', 'team/base', 'other/app']) await vendor.hold(name, '1.0');

      const all = await Array.fromAsync(vendor.peer.repositories?.({ signal }) ?? []);
      const some = await listed(vendor.peer, 'team/');
      const one = await listed(vendor.peer, 'team/a');
      const project = await listed(vendor.peer, 'oth');

      assert.deepEqual(all.toSorted(), ['other/app', 'team/app', 'team/base']);
      assert.deepEqual(some.toSorted(), ['team/app', 'team/base']);
      assert.deepEqual(one, ['team/app']);
      assert.deepEqual(project, ['other/app']);
      assert.deepEqual(await listed(vendor.peer, 'nobody/'), []);
    });

    it('is tags with what they point to, over all pages', async () => {
      await using vendor = await start();
      const held = new Map<string, Digest>();
      for (let n = 0; n < moreThanPage; n++)
        held.set(`v${n}`, await vendor.hold('team/app', `v${n}`));

      const tags = await Array.fromAsync(vendor.peer.tagDigests?.('team/app', { signal }) ?? []);

      assert.deepEqual(new Map(tags.map(({ name, digest }) => [name, digest])), held);
    });

    it('is NAME_UNKNOWN where the repository is not there', async () => {
      await using vendor = await start();
      await vendor.hold('team/app', '1.0');

      const tags = vendor.peer.tagDigests?.('team/none', { signal });

      await assert.rejects(Array.fromAsync(tags ?? []), { code: 'NAME_UNKNOWN' });
    });
  });

  describe('a tag', () => {
    it('is taken away, and its manifest stays', async () => {
      await using vendor = await start();
      const digest = await vendor.hold('team/app', '1.0');
      const manifest = await vendor.peer.manifest('team/app', digest, { signal });
      if (lastTagTakesImage) await vendor.peer.pushManifest('team/app', '1', manifest, { signal });

      const deleting = vendor.peer.deleteTag('team/app', '1.0', { signal });
      if (!can.deleteTag) {
        await assert.rejects(deleting, { code: 'UNSUPPORTED' });
        return;
      }
      await deleting;

      const head = await vendor.peer.headManifest('team/app', digest, { signal });
      assert.equal(head?.digest, digest);
      await assert.rejects(vendor.peer.headManifest('team/app', '1.0', { signal }), {
        code: 'MANIFEST_UNKNOWN',
      });
    });

    it('is not taken away where there is none', async () => {
      await using vendor = await start();
      await vendor.hold('team/app', '1.0');

      await assert.rejects(vendor.peer.deleteTag('team/app', '2.0', { signal }), {
        code: can.deleteTag ? 'MANIFEST_UNKNOWN' : 'UNSUPPORTED',
      });
    });
  });

  it('can what it is said to', async () => {
    await using vendor = await start();

    assert.equal(vendor.peer.repositories !== undefined, can.listRepositories);
    assert.equal(vendor.peer.tagDigests !== undefined, can.listTagDigests);
    assert.equal(vendor.peer.preparePush !== undefined, can.prepare);
  });

  function listed(peer: RegistryPeer, prefix: string): Promise<string[]> {
    return Array.fromAsync(peer.repositories?.({ signal, prefix }) ?? []);
  }
}
