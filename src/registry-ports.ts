/** What `/v2` asks of the node, out of the catalog and the pulls. */
import type { PullLog } from './audit/pull-log.ts';
import type { Catalog } from './catalog/catalog.ts';
import type { PushedManifest, PushResult } from './catalog/manifests.ts';
import type { Ports } from './http/app.ts';
import type { Target } from './http/target.ts';
import { digestOf } from './oci/digest.ts';
import { OciError } from './oci/error.ts';
import type { Pulls } from './proxy/pulls.ts';
import type { Forwarding } from './replication/forward.ts';

export function pullPorts(
  { projects, repositories }: Catalog,
  pulls: Pulls,
): Pick<Ports, 'tags' | 'referrers' | 'catalog'> {
  return {
    tags: { tags: ({ repository }, options) => pulls.tags(repository, options) },
    referrers: {
      referrers: ({ repository }, subject, options) =>
        pulls.referrers(repository, subject, options),
    },
    catalog: {
      async repositories({ isVisible, ...page }) {
        const visible = (await projects.list()).filter((project) => isVisible(project));
        return repositories.list({ ...page, projects: visible.map(({ name }) => name) });
      },
    },
  };
}

export function pushPorts(
  { manifests, tags, blobs, uploads, projects }: Catalog,
  {
    pulls,
    pullLog,
    forwarding,
  }: { readonly pulls: Pulls; readonly pullLog: PullLog; readonly forwarding: Forwarding },
): Pick<Ports, 'manifests' | 'blobs' | 'uploads'> {
  return {
    manifests: {
      async manifest({ repository, project }, reference, { signal, actor, isReplication }) {
        const found = await pulls.manifest(repository, reference, { signal, isReplication });
        const tag = reference.kind === 'tag' ? reference.tag : undefined;
        pullLog.note({ actor, repository, project: project.id, digest: found.digest, tag });
        return found;
      },
      headManifest: ({ repository }, reference, options) =>
        pulls.headManifest(repository, reference, options),
      putManifest: (target, pushed, { signal }) =>
        putManifest({ manifests, forwarding }, target, { pushed, signal }),
      removeManifest: ({ repository }, reference, actor) =>
        reference.kind === 'tag'
          ? tags.remove(repository, reference.tag, actor)
          : manifests.remove(repository, reference.digest, actor),
    },
    blobs: {
      blobSize: ({ repository }, digest, options) => pulls.blobSize(repository, digest, options),
      blob: ({ repository }, digest, options) => pulls.blob(repository, digest, options),
      removeBlob: ({ repository }, digest) => blobs.unlink(repository, digest),
    },
    uploads: {
      startUpload: async (target, options) => uploads.start(pushable(target), options),
      uploadStatus: ({ repository }, session) => uploads.status(repository, session),
      appendUpload: ({ repository }, session, source, options) =>
        uploads.append(repository, session, source, options),
      async finishUpload({ repository }, session, content, options) {
        await uploads.finish(repository, session, content, options);
      },
      cancelUpload: ({ repository }, session) => uploads.cancel(repository, session),
      mountBlob: async (target, digest, from) =>
        blobs.mount(pushable(target), digest, from.repository),
      async mountBlobFromAnywhere(target, digest, mayPull) {
        const pullable = (await projects.list()).filter((project) => mayPull(project));
        const names = pullable.map(({ name }) => name);
        const from = await blobs.findIn(names, digest);
        return from !== undefined && (await blobs.mount(pushable(target), digest, from));
      },
    },
  };
}

/** Where a policy has pushes wait, it is here under its digest, there under its tags, and then here under them. */
async function putManifest(
  { manifests, forwarding }: Pick<Catalog, 'manifests'> & { readonly forwarding: Forwarding },
  target: Target,
  {
    pushed,
    signal,
  }: { readonly pushed: Omit<PushedManifest, 'references'>; readonly signal: AbortSignal },
): Promise<PushResult> {
  const repository = pushable(target);
  const put = { ...pushed, references: target.project.references };
  const tags = tagsOf(pushed);
  if (await forwarding.awaits({ repository, tags })) {
    const { bytes, actor, reference: asked } = pushed;
    const digest = asked.kind === 'digest' ? asked.digest : digestOf(bytes);
    const reference = { kind: 'digest', digest } as const;
    await manifests.put(repository, { ...put, reference, tags: [] });
    await forwarding.forward({ repository, digest, tags, operator: actor.name }, { signal });
  }
  return manifests.put(repository, put);
}

/** By which it will be pulled. */
function tagsOf({ reference, tags }: Pick<PushedManifest, 'reference' | 'tags'>) {
  return reference.kind === 'tag' ? [reference.tag, ...tags] : tags;
}

/** @throws OciError UNSUPPORTED for a proxy project: what it has is its upstream's */
function pushable({ repository, project }: Target): string {
  if (project.kind === 'hosted') return repository;
  const message = `project ${project.name} is a cache of its upstream and takes no pushes`;
  throw new OciError('UNSUPPORTED', { message });
}
