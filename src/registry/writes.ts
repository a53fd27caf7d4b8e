/** What changes a repository besides its blobs: manifests, tags, and what is taken away (distribution-spec v1.1.1 end-7, end-9). */
import type { Digest } from '../oci/digest.ts';
import { OciError } from '../oci/error.ts';
import { parseReference } from '../oci/reference.ts';
import { MOST_ERROR_BYTES } from './error-answer.ts';
import { UpstreamDenied, UpstreamRefused } from './errors.ts';
import type { CallOptions, WritablePeer } from './peer.ts';
import type { Referrers } from './referrers.ts';
import { type RepositoryCalls, writeRefusal } from './repository-calls.ts';
import { assertSame, type SessionPlace, UploadSession } from './upload-session.ts';

type Writes = Pick<WritablePeer, 'mountBlob' | 'pushManifest' | 'deleteManifest' | 'deleteTag'>;

export interface WritesOptions {
  readonly base: URL;
  readonly referrers: Referrers;
  /** What deleting is called in scopes. */
  readonly deleting?: string | undefined;
}

export function writesTo(
  at: RepositoryCalls,
  { base, referrers, deleting = 'pull,push,delete' }: WritesOptions,
): Writes {
  return {
    mountBlob: (repository, digest, from, options) =>
      mount({ at, repository, base }, digest, { ...options, from }),

    // end-7a
    async pushManifest(repository, reference, manifest, options) {
      const { bytes, descriptor } = manifest;
      const asked = parseReference(reference);
      const call = at.to(repository, `manifests/${reference}`, {
        ...options,
        method: 'PUT',
        actions: 'pull,push',
        headers: { 'content-type': descriptor.mediaType },
        body: bytes,
      });
      const answer = await referrers.push(repository, reference, () =>
        at.calls.read(call, MOST_ERROR_BYTES),
      );
      if (!isDone(answer.status)) throw writeRefusal(call, answer, 'NAME_UNKNOWN');
      const digest = asked.kind === 'digest' ? asked.digest : descriptor.digest;
      assertSame(answer.headers['docker-content-digest'], digest, at.host);
      await referrers.keep(repository, manifest, options);
    },

    deleteManifest: (repository, digest, options) =>
      remove(at, repository, digest, { ...options, actions: deleting }),

    async deleteTag(repository, tag, options) {
      const { kind } = parseReference(tag);
      if (kind === 'digest') throw new TypeError(`${tag} is a digest and no tag`);
      try {
        await remove(at, repository, tag, { ...options, actions: deleting });
      } catch (error) {
        // distribution 2, which wants a digest there (docs/wire-notes.md 9).
        if (!(error instanceof UpstreamRefused) || error.code !== 'DIGEST_INVALID') throw error;
        throw new OciError('UNSUPPORTED', {
          message: 'it deletes manifests by their digest alone',
        });
      }
    },
  };
}

/** end-11 */
async function mount(
  { at, repository, base }: SessionPlace,
  digest: Digest,
  { from, ...options }: CallOptions & { readonly from: string },
): Promise<boolean> {
  const query = `mount=${encodeURIComponent(digest)}&from=${at.nameOf(from)}`;
  const call = at.to(repository, `blobs/uploads/?${query}`, {
    ...options,
    method: 'POST',
    actions: 'pull,push',
    from,
    // It saves bytes, which can be sent as well.
    isOptional: true,
  });
  try {
    const answer = await at.calls.read(call, MOST_ERROR_BYTES);
    if (answer.status === 201) {
      assertSame(answer.headers['docker-content-digest'], digest, at.host);
      return true;
    }
    if (answer.status === 202) {
      await UploadSession.in({ at, repository, base }, answer).cancel();
    }
    return false;
  } catch (error) {
    // One that we may not read is as good as one that is not there; the push will say what else is wrong.
    if (error instanceof UpstreamDenied) return false;
    throw error;
  }
}

/** end-9 */
async function remove(
  at: RepositoryCalls,
  repository: string,
  reference: string,
  options: CallOptions & { readonly actions: string },
): Promise<void> {
  const call = at.to(repository, `manifests/${reference}`, { ...options, method: 'DELETE' });
  const answer = await at.calls.read(call, MOST_ERROR_BYTES);
  if (!isDone(answer.status)) throw writeRefusal(call, answer, 'MANIFEST_UNKNOWN');
}

function isDone(status: number): boolean {
  return status === 200 || status === 201 || status === 202 || status === 204;
}
