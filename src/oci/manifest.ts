import type { Descriptor } from './descriptor.ts';
import { isDigest } from './digest.ts';
import { OciError } from './error.ts';
import {
  DOCKER_LIST,
  essenceOf,
  isManifestType,
  isMediaType,
  isNonDistributable,
  isSchema1,
  OCI_INDEX,
  OCI_MANIFEST,
} from './media-type.ts';

/** Exactly as received: re-serialising would change the digest. */
export interface Manifest {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
}

/** One edge of the content graph. A `manifest` is fetched under `/manifests/`, everything else under `/blobs/`. */
export interface ManifestReference extends Descriptor {
  readonly kind: 'config' | 'layer' | 'manifest' | 'blob';
  /** Whether a push may leave the content out: foreign layers, and layers that say where else to get them. */
  readonly optional: boolean;
}

/** What this node needs to know of a manifest; the rest of its JSON is none of its business. */
export interface ParsedManifest {
  readonly mediaType: string;
  /** What referrers are listed and filtered by: `artifactType`, else the type of the config (distribution-spec v1.1.1 "Listing Referrers"). */
  readonly artifactType: string | undefined;
  readonly subject: Descriptor | undefined;
  readonly annotations: Readonly<Record<string, string>>;
  readonly references: readonly ManifestReference[];
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * Reads a manifest of any OCI or Docker schema 2 type, known or not.
 *
 * @param contentType what the sender called it; where that says nothing, the JSON's own `mediaType` or shape decides
 * @throws OciError MANIFEST_INVALID with a message for people
 */
export function parseManifest(bytes: Uint8Array, contentType: string | undefined): ParsedManifest {
  const json = parseObject(bytes);
  if (json['schemaVersion'] === 1) throw schema1();
  const mediaType = mediaTypeOf(json, essenceOf(contentType ?? ''));
  if (isSchema1(mediaType)) throw schema1();
  if (!isMediaType(mediaType)) throw invalid(`${JSON.stringify(mediaType)} is no media type`);
  // CVE-2021-41190: bytes that are an index to one reader and an image to another.
  const isIndex = json['manifests'] !== undefined;
  if (
    isIndex &&
    (json['layers'] !== undefined || (json['config'] !== undefined && isImage(mediaType)))
  ) {
    throw invalid('it is an index and an image at once');
  }
  const config = json['config'] === undefined ? undefined : descriptorOf(json['config'], 'config');
  const artifactType = textOf(json, 'artifactType') ?? (isIndex ? undefined : config?.mediaType);
  return {
    mediaType,
    artifactType: artifactType === '' ? config?.mediaType : artifactType,
    subject: json['subject'] == null ? undefined : descriptorOf(json['subject'], 'subject'),
    annotations: annotationsOf(json['annotations']),
    references: [
      ...(config === undefined ? [] : [{ ...config, kind: 'config' as const, optional: false }]),
      ...listOf(json, 'layers').map((entry) => layerOf(entry, 'layer')),
      ...listOf(json, 'blobs').map((entry) => layerOf(entry, 'blob')),
      ...listOf(json, 'manifests').map(childOf),
    ],
  };
}

function parseObject(bytes: Uint8Array): Record<string, unknown> {
  let json: unknown;
  try {
    json = JSON.parse(utf8.decode(bytes));
  } catch (cause) {
    throw new OciError('MANIFEST_INVALID', { message: 'it is not JSON', cause });
  }
  if (!isObject(json)) throw invalid('it is not a JSON object');
  return json;
}

function mediaTypeOf(json: Record<string, unknown>, contentType: string): string {
  const own = textOf(json, 'mediaType') ?? '';
  // Types are the same in capitals: kept in small letters, they are compared as texts ever after.
  const said = essenceOf(own);
  const saysNothing = ['', 'application/json', 'text/plain', 'application/octet-stream'];
  if (!saysNothing.includes(contentType)) {
    if (said !== '' && said !== contentType) {
      throw invalid(`Content-Type is ${contentType}, its mediaType is ${own}`);
    }
    return contentType;
  }
  if (said !== '') return said;
  return json['manifests'] === undefined ? OCI_MANIFEST : OCI_INDEX;
}

function isImage(mediaType: string): boolean {
  return mediaType !== OCI_INDEX && mediaType !== DOCKER_LIST;
}

function layerOf(entry: unknown, kind: 'layer' | 'blob'): ManifestReference {
  const descriptor = descriptorOf(entry, `${kind}s`);
  const hasUrls = isObject(entry) && Array.isArray(entry['urls']) && entry['urls'].length > 0;
  return { ...descriptor, kind, optional: hasUrls || isNonDistributable(descriptor.mediaType) };
}

function childOf(entry: unknown): ManifestReference {
  const descriptor = descriptorOf(entry, 'manifests');
  // BuildKit's old cache format lists layer blobs as an index's children; an unknown type may be a manifest.
  const isBlob =
    !isManifestType(descriptor.mediaType) && /layer|rootfs|cacheconfig/.test(descriptor.mediaType);
  return { ...descriptor, kind: isBlob ? 'blob' : 'manifest', optional: false };
}

function descriptorOf(value: unknown, where: string): Descriptor {
  if (!isObject(value)) throw invalid(`${where} is not a descriptor`);
  const { mediaType, digest, size } = value;
  if (typeof digest !== 'string' || !isDigest(digest)) {
    throw invalid(`${where} has no valid digest of an algorithm known here (sha256, sha512)`);
  }
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) {
    throw invalid(`${where} has no valid size`);
  }
  if (mediaType !== undefined && !isText(mediaType)) {
    throw invalid(`${where} has no valid mediaType`);
  }
  return { mediaType: mediaType ?? '', digest, size };
}

function annotationsOf(value: unknown): Record<string, string> {
  if (value == null) return {};
  if (!isObject(value)) throw invalid('annotations are not an object');
  const entries = Object.entries(value).map(([key, text]): [string, string] => {
    if (typeof text !== 'string') throw invalid('an annotation is not a string');
    return [key, text];
  });
  return Object.fromEntries(entries);
}

function listOf(json: Record<string, unknown>, key: string): unknown[] {
  const value = json[key];
  if (value == null) return [];
  if (!Array.isArray(value)) throw invalid(`${key} is not a list`);
  return value;
}

function textOf(json: Record<string, unknown>, key: string): string | undefined {
  const value = json[key];
  if (value == null) return undefined;
  if (!isText(value)) throw invalid(`${key} is not a text`);
  return value;
}

/** What every database engine can keep as text: PostgreSQL's has no NUL. */
function isText(value: unknown): value is string {
  return typeof value === 'string' && !value.includes('\0');
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function schema1(): OciError {
  return invalid('schema 1 is not supported; push the image again with a current client');
}

function invalid(message: string): OciError {
  return new OciError('MANIFEST_INVALID', { message });
}
