import {
  type Arbitrary,
  array,
  constant,
  constantFrom,
  dictionary,
  double,
  jsonValue,
  nat,
  oneof,
  record,
  stringMatching,
  tuple,
} from 'fast-check';
import { digestOf } from '../../../src/oci/digest.ts';
import {
  DOCKER_LIST,
  DOCKER_MANIFEST,
  OCI_INDEX,
  OCI_MANIFEST,
} from '../../../src/oci/media-type.ts';
import { textOf } from './text.ts';

/** What the repositories of the test have as blobs. */
export const CONTENTS = ['{}', 'a layer', ''].map((text) => Buffer.from(text));

const KNOWN = CONTENTS.map((content) => ({ digest: digestOf(content), size: content.length }));
const SCHEMA_1 = 'application/vnd.docker.distribution.manifest.v1+prettyjws';
const MANIFEST_TYPES = [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST];
const FOREIGN = 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip';

const anyText = oneof(
  textOf({ maxLength: 12 }),
  constantFrom(
    '',
    ' ',
    'a\nb',
    'a\0b',
    '\u{1f4a9}',
    'é',
    'text/html',
    '__proto__',
    'x'.repeat(9_000),
  ),
);
const anything = oneof(
  jsonValue({ maxDepth: 2 }),
  anyText,
  constantFrom(null, [], {}, [null], [[]]),
);

/** Mostly the thing itself, now and then something else. */
function mostly<T>(usual: Arbitrary<T>): Arbitrary<unknown> {
  return oneof({ weight: 9, arbitrary: usual }, { weight: 1, arbitrary: anything });
}

const MEDIA_TYPES = oneof(
  { weight: 6, arbitrary: constantFrom(...MANIFEST_TYPES, FOREIGN, 'application/vnd.example') },
  { weight: 1, arbitrary: constantFrom(SCHEMA_1, 'application/json', 'a/b; c=d', 'A/B', ' a/b ') },
  { weight: 1, arbitrary: anyText },
);
const DIGESTS = oneof(
  { weight: 6, arbitrary: constantFrom(...KNOWN.map(({ digest }) => digest)) },
  {
    weight: 2,
    arbitrary: constantFrom('sha256', 'sha512').map((algorithm) =>
      digestOf(Buffer.from('nobody has this'), algorithm === 'sha512' ? 'sha512' : 'sha256'),
    ),
  },
  {
    weight: 1,
    arbitrary: constantFrom(
      'sha256:x',
      'md5:d41d8cd98f00b204e9800998ecf8427e',
      `sha256:${'A'.repeat(64)}`,
      `sha256:${'a'.repeat(63)}`,
      '',
    ),
  },
);
const SIZES = oneof(
  constantFrom(0, 2, 7),
  nat(),
  double(),
  constantFrom(-1, -0, 1.5, Number.MAX_SAFE_INTEGER, 2 ** 53, 1e300, '7'),
);
const ANNOTATIONS = dictionary(oneof(anyText, constant('org.example')), mostly(anyText), {
  maxKeys: 3,
});
const DESCRIPTORS = record(
  {
    mediaType: mostly(MEDIA_TYPES),
    digest: mostly(DIGESTS),
    size: mostly(SIZES),
    urls: mostly(array(anyText, { maxLength: 2 })),
    annotations: mostly(ANNOTATIONS),
    artifactType: mostly(MEDIA_TYPES),
    data: mostly(anyText),
  },
  { requiredKeys: ['digest', 'size'] },
);
const GOOD = constantFrom(...KNOWN).map((known) => ({ mediaType: 'application/x', ...known }));
const ENTRIES = oneof({ weight: 4, arbitrary: GOOD }, { weight: 1, arbitrary: DESCRIPTORS });

/** The JSON of manifests that are right, nearly right, or nothing of the kind. */
const MANIFESTS: Arbitrary<unknown> = oneof(
  {
    weight: 8,
    arbitrary: record(
      {
        schemaVersion: oneof(
          { weight: 20, arbitrary: constant(2) },
          { weight: 1, arbitrary: oneof(constant(1), anything) },
        ),
        mediaType: MEDIA_TYPES,
        config: mostly(ENTRIES),
        layers: mostly(array(mostly(ENTRIES), { maxLength: 4 })),
        subject: mostly(oneof(GOOD, DESCRIPTORS)),
        artifactType: mostly(MEDIA_TYPES),
        annotations: mostly(ANNOTATIONS),
        blobs: mostly(array(ENTRIES, { maxLength: 2 })),
      },
      { requiredKeys: ['schemaVersion'] },
    ),
  },
  {
    weight: 4,
    arbitrary: record(
      {
        schemaVersion: constant(2),
        mediaType: MEDIA_TYPES,
        manifests: mostly(array(mostly(ENTRIES), { maxLength: 4 })),
        subject: mostly(GOOD),
        artifactType: mostly(MEDIA_TYPES),
        annotations: mostly(ANNOTATIONS),
        config: mostly(ENTRIES),
      },
      { requiredKeys: ['schemaVersion', 'manifests'] },
    ),
  },
  { weight: 1, arbitrary: anything },
);

type Mutation = (bytes: Buffer) => Buffer;
const unchanged: Mutation = (bytes) => bytes;
const MUTATIONS: Arbitrary<Mutation> = oneof(
  { weight: 8, arbitrary: constant(unchanged) },
  {
    weight: 1,
    arbitrary: tuple(nat(), nat(255)).map(
      ([at, value]): Mutation =>
        (bytes) => {
          const changed = Buffer.from(bytes);
          if (changed.length > 0) changed[at % changed.length] = value;
          return changed;
        },
    ),
  },
  {
    weight: 1,
    arbitrary: nat().map(
      (length): Mutation =>
        (bytes) =>
          bytes.subarray(0, length % (bytes.length + 1)),
    ),
  },
  {
    weight: 1,
    arbitrary: constantFrom<Mutation>(
      (bytes) => Buffer.concat([Buffer.from('\uFEFF'), bytes]),
      (bytes) => Buffer.concat([bytes, Buffer.from(' \r\n\t')]),
      (bytes) => Buffer.concat([bytes, Buffer.from('\0')]),
      (bytes) => Buffer.from(bytes.toString().replace('{', '{"mediaType":"a/b",')),
      (bytes) => Buffer.from(bytes.toString().replace('{', '{"__proto__":{"layers":[]},')),
      (bytes) => Buffer.from(bytes.toString().replace(':', `:${'['.repeat(50_000)}`)),
      (bytes) => Buffer.from(bytes.toString().replaceAll('x', String.raw`\ud800`)),
    ),
  },
);

export const MANIFEST_BYTES: Arbitrary<Buffer> = oneof(
  {
    weight: 12,
    arbitrary: tuple(MANIFESTS, MUTATIONS).map(([json, mutate]) =>
      mutate(Buffer.from(JSON.stringify(json))),
    ),
  },
  {
    weight: 1,
    arbitrary: textOf({ maxLength: 60 }).map((text) => Buffer.from(text)),
  },
);

/** As headers; the empty one stands for none at all. */
export const CONTENT_TYPES: Arbitrary<string> = oneof(
  { weight: 4, arbitrary: constantFrom(...MANIFEST_TYPES) },
  {
    weight: 4,
    arbitrary: constantFrom('', 'application/json', `${OCI_MANIFEST}; charset=utf-8`, SCHEMA_1),
  },
  { weight: 1, arbitrary: constantFrom(OCI_MANIFEST.toUpperCase(), 'text/html', ';', 'a, b') },
  { weight: 1, arbitrary: stringMatching(/^[\t -~\u0080-\u00ff]{0,40}$/) },
);
