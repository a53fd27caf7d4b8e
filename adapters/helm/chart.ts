/**
 * A chart's archive as an OCI artifact, of the kinds that `helm push` makes (https://helm.sh/docs/topics/registries/): its
 * metadata in JSON as the config, the archive as it is as the layer, and its provenance file as another one. All of it follows from these
 * files alone, so that the digest of the manifest is the same whenever and wherever it is made. `helm push` writes the time of the push into the
 * manifest, and has another digest for it.
 */
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { extract } from 'tar-stream';
import { parse } from 'yaml';
import { z } from 'zod';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import { digestOf } from '../../src/oci/digest.ts';
import type { Manifest } from '../../src/oci/manifest.ts';
import { OCI_MANIFEST } from '../../src/oci/media-type.ts';

const CONFIG = 'application/vnd.cncf.helm.config.v1+json';
const LAYER = 'application/vnd.cncf.helm.chart.content.v1.tar+gzip';
const PROVENANCE = 'application/vnd.cncf.helm.chart.provenance.v1.prov';

/** The archive is none of a chart. The message is for people. */
export class NoChart extends Error {
  override readonly name = 'NoChart';
}

export interface ChartArtifact {
  readonly manifest: Manifest;
  readonly config: { readonly descriptor: Descriptor; readonly bytes: Buffer };
  /** The archive itself. */
  readonly layer: Descriptor;
  /** What its author signed, where there is such a file beside the archive. */
  readonly provenance: { readonly descriptor: Descriptor; readonly bytes: Buffer } | undefined;
}

/** Of `Chart.yaml`, and of what it may unpack to on the way there. */
const MOST_METADATA_BYTES = 2 ** 20;
const MOST_UNPACKED_BYTES = 100 * 2 ** 20;

// Helm 3's `chart.Metadata`, in the order in which it writes it; a scalar is what was written.
const Text = z.string().optional();
const Texts = z.array(z.string()).optional();
const Flag = z
  .enum(['true', 'false'])
  .transform((value) => value === 'true' || undefined)
  .optional();
const Metadata = z.object({
  name: z.string(),
  home: Text,
  sources: Texts,
  version: z.string(),
  description: Text,
  keywords: Texts,
  maintainers: z.array(z.object({ name: Text, email: Text, url: Text })).optional(),
  icon: Text,
  apiVersion: Text,
  condition: Text,
  tags: Text,
  appVersion: Text,
  deprecated: Flag,
  annotations: z.record(z.string(), z.string()).optional(),
  kubeVersion: Text,
  dependencies: z
    .array(
      z.object({
        name: z.string(),
        version: Text,
        repository: z.string().default(''),
        condition: Text,
        tags: Texts,
        enabled: Flag,
        'import-values': z.array(z.unknown()).optional(),
        alias: Text,
      }),
    )
    .optional(),
  type: Text,
});
type Metadata = z.infer<typeof Metadata>;

/** `signed`: the provenance file, if there is one. @throws NoChart */
export async function artifactOf(archive: Buffer, signed?: Buffer): Promise<ChartArtifact> {
  const metadata = Metadata.safeParse(yamlIn(await metadataIn(archive)));
  if (!metadata.success)
    throw new NoChart(`its Chart.yaml is not right: ${metadata.error.message}`);
  const config = Buffer.from(goJson(written(metadata.data)));
  const configDescriptor = { mediaType: CONFIG, digest: digestOf(config), size: config.length };
  const layer = { mediaType: LAYER, digest: digestOf(archive), size: archive.length };
  const provenance = signed && {
    descriptor: { mediaType: PROVENANCE, digest: digestOf(signed), size: signed.length },
    bytes: signed,
  };
  const layers = provenance === undefined ? [layer] : [layer, provenance.descriptor];
  const bytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config: configDescriptor,
      // In Helm's order.
      layers: layers.toSorted((one, other) => (one.digest < other.digest ? -1 : 1)),
      annotations: annotationsOf(metadata.data),
    }),
  );
  const descriptor = { mediaType: OCI_MANIFEST, digest: digestOf(bytes), size: bytes.length };
  return {
    manifest: { bytes, descriptor },
    config: { descriptor: configDescriptor, bytes: config },
    layer,
    provenance,
  };
}

/** `Chart.yaml` of the chart itself, not of one that it brings along. */
async function metadataIn(archive: Buffer): Promise<string> {
  const tar = extract();
  const unpacked = Readable.from([archive]).pipe(createGunzip());
  unpacked.on('error', (cause) => tar.destroy(new NoChart('it is no gzip archive', { cause })));
  let size = 0;
  unpacked.on('data', (piece: Buffer) => {
    size += piece.length;
    if (size > MOST_UNPACKED_BYTES) tar.destroy(new NoChart('it unpacks to more than any chart'));
  });
  unpacked.pipe(tar);
  try {
    for await (const entry of tar) {
      const isIts = /^(?:\.\/)?[^/]+\/Chart\.yaml$/.test(entry.header.name);
      if (isIts) return await textOf(entry);
      entry.resume();
    }
  } catch (cause) {
    throw cause instanceof NoChart ? cause : new NoChart('it is no tar archive', { cause });
  } finally {
    unpacked.destroy();
    tar.destroy();
  }
  throw new NoChart('it has no Chart.yaml');
}

async function textOf(entry: AsyncIterable<unknown>): Promise<string> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of entry) {
    if (!Buffer.isBuffer(piece)) continue;
    size += piece.length;
    if (size > MOST_METADATA_BYTES) throw new NoChart('its Chart.yaml is too large');
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString();
}

/** Everything as it is written: `1.0` is a version and no number. @throws NoChart */
function yamlIn(text: string): unknown {
  try {
    return parse(text, { schema: 'failsafe' });
  } catch (cause) {
    throw new NoChart('its Chart.yaml is no YAML', { cause });
  }
}

/** As Go's `encoding/json` writes it, for which these characters are HTML. */
function goJson(value: object): string {
  return JSON.stringify(value).replaceAll(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** Maps in the order of their keys, as Go writes them; without what is empty. */
function written({ annotations, ...metadata }: Metadata): object {
  const sorted =
    annotations && Object.entries(annotations).toSorted(([a], [b]) => (a < b ? -1 : 1));
  const whole = { ...metadata, annotations: sorted && Object.fromEntries(sorted) };
  return Object.fromEntries(
    Object.keys(Metadata.shape).flatMap((key) => {
      const value: unknown = Reflect.get(whole, key);
      return isEmpty(value) ? [] : [[key, value]];
    }),
  );
}

function isEmpty(value: unknown): boolean {
  return value === undefined || value === '' || (Array.isArray(value) && value.length === 0);
}

/** As `helm push`, but for the time. */
function annotationsOf({ name, version, description, home, sources }: Metadata): object {
  const all = {
    'org.opencontainers.image.title': name,
    'org.opencontainers.image.version': version,
    'org.opencontainers.image.description': description,
    'org.opencontainers.image.url': home,
    'org.opencontainers.image.source': sources?.[0],
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => !isEmpty(value)));
}
