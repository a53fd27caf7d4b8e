/** The media types this node has to know (image-spec v1.1.1 "Media Types", Docker image manifest v2 schema 2). */
export const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
export const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
export const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';
export const DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json';
export const OCTET_STREAM = 'application/octet-stream';

const SCHEMA_1 = new Set([
  'application/vnd.docker.distribution.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v1+prettyjws',
]);
const MANIFESTS = new Set([
  OCI_MANIFEST,
  OCI_INDEX,
  DOCKER_MANIFEST,
  DOCKER_LIST,
  // Two that came before image-spec 1.1 settled on `artifactType`; old ORAS clients still push them.
  'application/vnd.oci.artifact.manifest.v1+json',
  'application/vnd.cncf.oras.artifact.manifest.v1+json',
  ...SCHEMA_1,
]);

/** What this node asks an upstream for: everything it keeps, and schema 1 last, only to refuse it by name. */
export const ACCEPTED_MANIFESTS: readonly string[] = [
  OCI_INDEX,
  DOCKER_LIST,
  OCI_MANIFEST,
  DOCKER_MANIFEST,
  ...SCHEMA_1,
  '*/*',
];

/** Without parameters, lower case: `text/plain; charset=utf-8` is `text/plain`. */
export function essenceOf(mediaType: string): string {
  return (mediaType.split(';', 1)[0] ?? '').trim().toLowerCase();
}

// RFC 6838 section 4.2, "restricted-name", on both sides of the slash.
const RESTRICTED_NAME = '[a-z0-9][a-z0-9!#$&^_.+-]{0,126}';
const MEDIA_TYPE = new RegExp(`^${RESTRICTED_NAME}/${RESTRICTED_NAME}$`, 'i');

/** Whether it is formed as a type without parameters, known or not: nothing else may go out as a `Content-Type`. */
export function isMediaType(text: string): boolean {
  return MEDIA_TYPE.test(text);
}

export function isSchema1(mediaType: string): boolean {
  return SCHEMA_1.has(essenceOf(mediaType));
}

/** Whether an index entry of this type is a manifest; others (BuildKit's old cache format) are blobs. */
export function isManifestType(mediaType: string): boolean {
  return MANIFESTS.has(essenceOf(mediaType));
}

/** Layers that a push may leave out (image-spec v1.1.1 "Non-Distributable Layers"). */
export function isNonDistributable(mediaType: string): boolean {
  return /\.nondistributable\.|\.rootfs\.foreign\./.test(mediaType);
}
