import { type Digest, digestOf } from '../../../src/oci/digest.ts';
import { OCI_INDEX, OCI_MANIFEST } from '../../../src/oci/media-type.ts';

/** A manifest of the pool, and what of the pool it needs. */
export interface PoolManifest {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly bytes: Buffer;
  /** By digest, all that a strict project asks for. */
  readonly blobs: readonly Digest[];
  readonly manifests: readonly Digest[];
  /** What may be left out. */
  readonly optional: readonly Digest[];
  readonly subject: Digest | undefined;
}

/** Content that clients push, tag, mount and delete, made anew for each run so that no other run has any of it. */
export interface Pool {
  readonly blobs: readonly { readonly digest: Digest; readonly bytes: Buffer }[];
  readonly manifests: readonly PoolManifest[];
  /** What manifests of the pool refer to as their subject. */
  readonly subjects: readonly Digest[];
}

export const MOST_BLOBS = 5;
export const MOST_MANIFESTS = 8;

/** The last blob has the bytes of the first manifest, which must not be taken for one another. */
export function poolOf(run: number): Pool {
  const layers = [0, 1, 2, 3].map((index) => blobOf(Buffer.from(`run ${run}, content ${index}`)));
  const [config, one, two, foreign] = layers;
  if (config === undefined || one === undefined || two === undefined || foreign === undefined) {
    throw new Error('the pool has four layers');
  }
  const image = imageOf([config, one]);
  const update = imageOf([config, one, two], image);
  const both = indexOf([image, update]);
  const nested = indexOf([both], update);
  const withForeign = imageOf([config], undefined, foreign);
  const absent = { ...image, digest: digestOf(Buffer.from(`never pushed in run ${run}`)) };
  const signature = imageOf([foreign], absent);
  const other = { ...image, digest: digestOf(image.bytes, 'sha512') };
  const ofOther = indexOf([other]);
  return {
    blobs: [...layers, blobOf(image.bytes)],
    manifests: [image, update, both, nested, withForeign, signature, other, ofOther],
    subjects: [image.digest, update.digest, absent.digest],
  };
}

function blobOf(bytes: Buffer): { digest: Digest; bytes: Buffer } {
  return { digest: digestOf(bytes), bytes };
}

interface Content {
  readonly digest: Digest;
  readonly bytes: Buffer;
}

/** The first content is its config. A foreign layer need not be there. */
function imageOf(
  [config, ...layers]: readonly Content[],
  subject?: PoolManifest,
  foreign?: Content,
): PoolManifest {
  const foreignType = 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip';
  const foreigners = foreign === undefined ? [] : [described(foreign, foreignType)];
  return manifestOf({
    mediaType: OCI_MANIFEST,
    config: config && described(config, 'application/vnd.example.config'),
    layers: [...layers.map((layer) => described(layer, 'application/x-layer')), ...foreigners],
    subject: subject && described(subject, subject.mediaType),
    ownBlobs: config === undefined ? [] : [config.digest, ...layers.map(({ digest }) => digest)],
    ownManifests: [],
    optional: foreign === undefined ? [] : [foreign.digest],
  });
}

function indexOf(children: readonly PoolManifest[], subject?: PoolManifest): PoolManifest {
  return manifestOf({
    mediaType: OCI_INDEX,
    manifests: children.map((child) => described(child, child.mediaType)),
    subject: subject && described(subject, subject.mediaType),
    ownBlobs: [],
    ownManifests: children.map(({ digest }) => digest),
    optional: [],
  });
}

interface Parts {
  readonly mediaType: string;
  readonly subject: { readonly digest: Digest } | undefined;
  readonly ownBlobs: readonly Digest[];
  readonly ownManifests: readonly Digest[];
  readonly optional: readonly Digest[];
  readonly [part: string]: unknown;
}

function manifestOf({ ownBlobs, ownManifests, optional, ...json }: Parts): PoolManifest {
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, ...json }));
  return {
    digest: digestOf(bytes),
    mediaType: json.mediaType,
    bytes,
    blobs: ownBlobs,
    manifests: ownManifests,
    optional,
    subject: json.subject?.digest,
  };
}

function described({ digest, bytes }: Content, mediaType: string) {
  return { mediaType, digest, size: bytes.length };
}
