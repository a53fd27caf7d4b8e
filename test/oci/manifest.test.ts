import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseManifest } from '../../src/oci/manifest.ts';
import { DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-type.ts';

const digest = `sha256:${'0'.repeat(64)}` as const;
const of = (mediaType: string) => ({ mediaType, digest, size: 2 });
const encode = (json: unknown) => new TextEncoder().encode(JSON.stringify(json));
const image = {
  schemaVersion: 2,
  mediaType: OCI_MANIFEST,
  config: of('application/vnd.oci.image.config.v1+json'),
  layers: [of('application/vnd.oci.image.layer.v1.tar+gzip')],
};

describe('reading a manifest', () => {
  it('finds config, layers, subject and annotations of an image', () => {
    const parsed = parseManifest(
      encode({ ...image, subject: of(OCI_MANIFEST), annotations: { a: 'b' } }),
      OCI_MANIFEST,
    );

    assert.equal(parsed.mediaType, OCI_MANIFEST);
    assert.deepEqual(
      parsed.references.map(({ kind, optional }) => [kind, optional]),
      [
        ['config', false],
        ['layer', false],
      ],
    );
    assert.equal(parsed.subject?.digest, digest);
    assert.deepEqual(parsed.annotations, { a: 'b' });
  });

  it('takes the artifact type from the config where the manifest has none', () => {
    assert.equal(
      parseManifest(encode(image), undefined).artifactType,
      'application/vnd.oci.image.config.v1+json',
    );
    assert.equal(
      parseManifest(encode({ ...image, artifactType: 'x/y' }), undefined).artifactType,
      'x/y',
    );
    assert.equal(
      parseManifest(encode({ schemaVersion: 2, manifests: [] }), undefined).artifactType,
      undefined,
    );
  });

  it('reads it again by the type that it was read as, whatever it says of itself', () => {
    for (const mediaType of [' ', ';', '; charset=utf-8', 'Application/X; a=b', undefined]) {
      const bytes = encode({ ...image, mediaType });
      const first = parseManifest(bytes, undefined);

      assert.deepEqual(parseManifest(bytes, first.mediaType), first);
    }
  });

  it('tells an index child that is a blob (BuildKit cache) from one that is a manifest', () => {
    const index = {
      schemaVersion: 2,
      manifests: [
        of(OCI_MANIFEST),
        of('application/vnd.oci.image.layer.v1.tar+gzip'),
        of('application/vnd.buildkit.cacheconfig.v0'),
        of('application/x-unknown'),
      ],
    };

    assert.deepEqual(
      parseManifest(encode(index), OCI_INDEX).references.map(({ kind }) => kind),
      ['manifest', 'blob', 'blob', 'manifest'],
    );
  });

  it('does not ask for layers that need not be pushed', () => {
    const layers = [
      of('application/vnd.oci.image.layer.nondistributable.v1.tar+gzip'),
      of('application/vnd.docker.image.rootfs.foreign.diff.tar.gzip'),
      { ...of('application/vnd.oci.image.layer.v1.tar'), urls: ['https://elsewhere.example'] },
    ];

    const { references } = parseManifest(encode({ ...image, layers }), OCI_MANIFEST);

    assert.ok(references.filter(({ kind }) => kind === 'layer').every(({ optional }) => optional));
  });

  for (const { name, json, contentType, mediaType } of [
    {
      name: 'the Content-Type',
      json: { schemaVersion: 2, layers: [] },
      contentType: DOCKER_MANIFEST,
      mediaType: DOCKER_MANIFEST,
    },
    {
      name: 'its own mediaType',
      json: image,
      contentType: 'application/json',
      mediaType: OCI_MANIFEST,
    },
    {
      name: 'its shape',
      json: { schemaVersion: 2, manifests: [] },
      contentType: undefined,
      mediaType: OCI_INDEX,
    },
    {
      name: 'the Content-Type without its parameters',
      json: image,
      contentType: `${OCI_MANIFEST}; charset=utf-8`,
      mediaType: OCI_MANIFEST,
    },
    {
      name: 'its own mediaType without parameters',
      json: { ...image, mediaType: `${OCI_MANIFEST}; charset=utf-8` },
      contentType: undefined,
      mediaType: OCI_MANIFEST,
    },
    {
      name: 'an unknown Content-Type',
      json: { schemaVersion: 2 },
      contentType: 'application/x-new+json',
      mediaType: 'application/x-new+json',
    },
  ]) {
    it(`calls it by ${name}`, () =>
      assert.equal(parseManifest(encode(json), contentType).mediaType, mediaType));
  }

  for (const { name, bytes, contentType } of [
    { name: 'what is not JSON', bytes: new TextEncoder().encode('{'), contentType: OCI_MANIFEST },
    { name: 'what is not an object', bytes: encode([]), contentType: OCI_MANIFEST },
    { name: 'schema 1 by its number', bytes: encode({ schemaVersion: 1 }), contentType: undefined },
    {
      name: 'schema 1 by its type',
      bytes: encode({}),
      contentType: 'application/vnd.docker.distribution.manifest.v1+prettyjws',
    },
    {
      name: 'an index that is an image too',
      bytes: encode({ ...image, mediaType: undefined, manifests: [] }),
      contentType: OCI_INDEX,
    },
    { name: 'another type than it says itself', bytes: encode(image), contentType: OCI_INDEX },
    {
      name: 'a layer without digest',
      bytes: encode({ ...image, layers: [{ size: 1 }] }),
      contentType: OCI_MANIFEST,
    },
    {
      name: 'a mediaType that no header can carry',
      bytes: encode({ ...image, mediaType: 'a/b\r\nSet-Cookie: c' }),
      contentType: undefined,
    },
    { name: 'a mediaType that is a word', bytes: encode({ mediaType: 'x' }), contentType: '' },
    { name: 'a Content-Type that is none', bytes: encode({}), contentType: 'a, b' },
    {
      name: 'a text that no database can keep',
      bytes: encode({ ...image, mediaType: undefined, artifactType: 'a\0b' }),
      contentType: OCI_MANIFEST,
    },
    {
      name: 'a negative size',
      bytes: encode({ ...image, layers: [{ digest, size: -1 }] }),
      contentType: OCI_MANIFEST,
    },
    {
      name: 'layers that are no list',
      bytes: encode({ ...image, layers: {} }),
      contentType: OCI_MANIFEST,
    },
    {
      name: 'annotations that are no texts',
      bytes: encode({ ...image, annotations: { a: 1 } }),
      contentType: OCI_MANIFEST,
    },
  ]) {
    it(`refuses ${name}`, () =>
      assert.throws(() => parseManifest(bytes, contentType), { code: 'MANIFEST_INVALID' }));
  }
});
