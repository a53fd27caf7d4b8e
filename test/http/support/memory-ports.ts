import { createHash, randomUUID } from 'node:crypto';
import { ANONYMOUS, type Caller } from '../../../src/access/caller.ts';
import type { Ports } from '../../../src/http/app.ts';
import type { BlobReader } from '../../../src/http/send-blob.ts';
import type { Names, Project } from '../../../src/http/target.ts';
import { algorithmOf, type Digest, digestOf } from '../../../src/oci/digest.ts';
import { OciError } from '../../../src/oci/error.ts';
import { parseManifest } from '../../../src/oci/manifest.ts';
import type { Reference } from '../../../src/oci/reference.ts';
import { locate, type NamedProject, namingFacts } from '../../../src/proxy/naming.ts';

interface TestProject extends Project, NamedProject {}

function project(name: string, more: Partial<TestProject> = {}): TestProject {
  return {
    name,
    kind: 'hosted',
    isPublic: true,
    references: 'strict',
    isDefault: false,
    addsLibrary: false,
    ...more,
  };
}

export const PROJECTS: readonly TestProject[] = [
  project('local'),
  project('secret', { isPublic: false }),
  project('sparse', { references: 'sparse' }),
  project('docker.io', {
    kind: 'proxy',
    references: 'sparse',
    upstreamHost: 'docker.io',
    isDefault: true,
    addsLibrary: true,
  }),
];

interface Repository {
  readonly project: TestProject;
  readonly blobs: Map<Digest, Buffer>;
  readonly manifests: Map<Digest, { bytes: Buffer; mediaType: string }>;
  readonly tags: Map<string, Digest>;
}

export function memoryNames(projects: readonly TestProject[] = PROJECTS): Names {
  const facts = namingFacts(projects, []);
  return {
    async locate(request) {
      const found = locate(request, facts);
      return { ...found, clientName: request.name, ns: request.ns };
    },
  };
}

export function memoryAccess(): Ports['access'] {
  return {
    async authenticate(authorization): Promise<Caller> {
      const [name = '', password = ''] = Buffer.from(authorization?.slice(6) ?? '', 'base64')
        .toString()
        .split(':');
      if (name === '') return ANONYMOUS;
      if (password !== 'pw') throw new OciError('UNAUTHORIZED');
      return { name, isAdmin: name === 'admin', isAnonymous: false };
    },
  };
}

export function readerOf(bytes: Buffer): BlobReader {
  return {
    size: bytes.length,
    async read(into, position) {
      return bytes.copy(into, 0, position);
    },
    async [Symbol.asyncDispose]() {},
  };
}

/** A whole registry in memory, with the behaviour of the real one as far as HTTP shows it. */
export function memoryPorts(): Ports {
  const repositories = new Map<string, Repository>();
  const sessions = new Map<string, { repository: string; caller: string; bytes: Buffer }>();

  function repositoryOf(name: string): Repository {
    const found = repositories.get(name);
    if (found === undefined) throw new OciError('NAME_UNKNOWN', { detail: name });
    return found;
  }
  function makeRepository(name: string): Repository {
    const owner = PROJECTS.find(({ name: first }) => first === name.split('/')[0]);
    if (owner === undefined) throw new OciError('NAME_UNKNOWN');
    const made = { project: owner, blobs: new Map(), manifests: new Map(), tags: new Map() };
    const kept = repositories.get(name) ?? made;
    repositories.set(name, kept);
    return kept;
  }
  function digestIn(repository: Repository, reference: Reference): Digest {
    const digest =
      reference.kind === 'digest' ? reference.digest : repository.tags.get(reference.tag);
    if (digest === undefined || !repository.manifests.has(digest)) {
      throw new OciError('MANIFEST_UNKNOWN');
    }
    return digest;
  }
  function sessionOf(repository: string, { id, caller }: { id: string; caller: string }) {
    const session = sessions.get(id);
    if (session?.repository !== repository || session.caller !== caller) {
      throw new OciError('BLOB_UPLOAD_UNKNOWN');
    }
    return session;
  }
  function blobOf(name: string, digest: Digest): Buffer {
    const bytes = repositories.get(name)?.blobs.get(digest);
    if (bytes === undefined) throw new OciError('BLOB_UNKNOWN', { detail: digest });
    return bytes;
  }
  const append: Ports['uploads']['appendUpload'] = async (
    target,
    { id, caller },
    source,
    chunk,
  ) => {
    const session = sessionOf(target.repository, { id, caller });
    const received = session.bytes.length;
    if (chunk.start !== undefined && chunk.start !== received) {
      throw new OciError('RANGE_INVALID', { detail: { received } });
    }
    const chunks = [session.bytes];
    for await (const piece of source) chunks.push(piece);
    const bytes = Buffer.concat(chunks);
    if (chunk.length !== undefined && bytes.length - received !== chunk.length) {
      throw new OciError('SIZE_INVALID');
    }
    session.bytes = bytes;
    return { received: bytes.length };
  };
  const find: Ports['manifests']['manifest'] = async (target, reference) => {
    const repository = repositoryOf(target.repository);
    const digest = digestIn(repository, reference);
    const { bytes = Buffer.alloc(0), mediaType = '' } = repository.manifests.get(digest) ?? {};
    return { digest, bytes, mediaType, size: bytes.length };
  };

  return {
    access: memoryAccess(),
    names: memoryNames(),
    manifests: {
      manifest: find,
      headManifest: find,
      async putManifest(target, { bytes, contentType, reference, tags }) {
        const parsed = parseManifest(bytes, contentType);
        const digest =
          reference.kind === 'digest'
            ? digestOf(bytes, algorithmOf(reference.digest))
            : digestOf(bytes);
        if (reference.kind === 'digest' && reference.digest !== digest) {
          throw new OciError('DIGEST_INVALID');
        }
        const repository = makeRepository(target.repository);
        const missing = parsed.references.filter(
          (entry) =>
            !entry.optional &&
            !repository.blobs.has(entry.digest) &&
            !repository.manifests.has(entry.digest),
        );
        if (target.project.references === 'strict' && missing.length > 0) {
          throw new OciError('MANIFEST_BLOB_UNKNOWN', {
            detail: { missing: missing.map(({ digest: absent }) => ({ digest: absent })) },
          });
        }
        repository.manifests.set(digest, { bytes, mediaType: parsed.mediaType });
        if (reference.kind === 'tag') repository.tags.set(reference.tag, digest);
        for (const tag of tags) repository.tags.set(tag, digest);
        return { digest, subject: parsed.subject?.digest, tags };
      },
      async removeManifest(target, reference) {
        const repository = repositoryOf(target.repository);
        const digest = digestIn(repository, reference);
        if (reference.kind === 'tag') {
          repository.tags.delete(reference.tag);
          return;
        }
        repository.manifests.delete(digest);
        for (const [tag, tagged] of repository.tags) {
          if (tagged === digest) repository.tags.delete(tag);
        }
      },
    },
    blobs: {
      blobSize: async (target, digest) => blobOf(target.repository, digest).length,
      blob: async (target, digest) => readerOf(blobOf(target.repository, digest)),
      async removeBlob(target, digest) {
        blobOf(target.repository, digest);
        repositoryOf(target.repository).blobs.delete(digest);
      },
    },
    uploads: {
      async startUpload(target, { caller }) {
        const id = randomUUID();
        sessions.set(id, { repository: target.repository, caller, bytes: Buffer.alloc(0) });
        return { id };
      },
      async uploadStatus(target, session) {
        return { received: sessionOf(target.repository, session).bytes.length };
      },
      appendUpload: append,
      async finishUpload(target, session, { digest, source }, chunk) {
        if (source !== undefined) await append(target, session, source, chunk);
        const { bytes } = sessionOf(target.repository, session);
        sessions.delete(session.id);
        const hash = createHash(algorithmOf(digest)).update(bytes).digest('hex');
        if (digest !== `${algorithmOf(digest)}:${hash}`) throw new OciError('DIGEST_INVALID');
        makeRepository(target.repository).blobs.set(digest, bytes);
      },
      async cancelUpload(target, session) {
        sessionOf(target.repository, session);
        sessions.delete(session.id);
      },
      async mountBlob(target, digest, from) {
        const bytes = repositories.get(from.repository)?.blobs.get(digest);
        if (bytes !== undefined) makeRepository(target.repository).blobs.set(digest, bytes);
        return bytes !== undefined;
      },
      async mountBlobFromAnywhere(target, digest, mayPull) {
        for (const { project: owner, blobs } of repositories.values()) {
          const bytes = mayPull(owner) ? blobs.get(digest) : undefined;
          if (bytes !== undefined) makeRepository(target.repository).blobs.set(digest, bytes);
          if (bytes !== undefined) return true;
        }
        return false;
      },
    },
    tags: {
      async tags(target, { last = '', limit }) {
        const names = [...repositoryOf(target.repository).tags.keys()].toSorted();
        return names.filter((tag) => tag > last).slice(0, limit);
      },
    },
    referrers: {
      async referrers(target, subject, { artifactType }) {
        const manifests = repositories.get(target.repository)?.manifests ?? new Map();
        return [...manifests]
          .map(([digest, { bytes, mediaType }]) => ({
            digest,
            size: bytes.length,
            ...parseManifest(bytes, mediaType),
          }))
          .filter((entry) => entry.subject?.digest === subject)
          .filter((entry) => artifactType === undefined || entry.artifactType === artifactType);
      },
    },
    catalog: {
      async repositories({ last = '', limit, isVisible }) {
        return [...repositories]
          .filter(([name, { project: owner }]) => name > last && isVisible(owner))
          .map(([name]) => name)
          .toSorted()
          .slice(0, limit);
      },
    },
  };
}
