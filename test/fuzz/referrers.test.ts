import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  type Arbitrary,
  array,
  asyncProperty,
  constantFrom,
  dictionary,
  integer,
  nat,
  oneof,
  option,
  record,
} from 'fast-check';
import { type Digest, digestOf } from '../../src/oci/digest.ts';
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-type.ts';
import { type FuzzNode, startFuzzNode } from './support/node.ts';
import { listIn, walk } from './support/pages.ts';
import { holds } from './support/runs.ts';
import { textOf } from './support/text.ts';

describe('referrers', () => {
  it('are exactly the manifests of that subject and type, as they say of themselves', async () => {
    await using node = await startFuzzNode();
    let runs = 0;

    const inputs = record({
      artifacts: array(ARTIFACTS, { maxLength: 8 }),
      deleted: array(nat(), { maxLength: 3 }),
      filter: option(TYPES, { nil: undefined }),
    });
    await holds(
      asyncProperty(inputs, async ({ artifacts, deleted, filter }) => {
        runs += 1;
        const repository = `sparse/referrers/${runs}`;
        const listed = new Map<Digest, Listed>();
        for (const artifact of artifacts) await push(node, repository, artifact, listed);
        for (const index of deleted) await remove(node, repository, listed, index);

        for (const subject of SUBJECTS) {
          const query = filter === undefined ? '' : `?artifactType=${encodeURIComponent(filter)}`;
          const path = `/v2/${repository}/referrers/${subject}${query}`;
          const [answer, ...more] = await walk(node, path);
          assert.ok(answer);

          const expected = [...listed.values()].filter((entry) => entry.subject === subject);
          const applied = filter === undefined || filter === '' ? undefined : 'artifactType';
          assert.equal(more.length, 0);
          assert.equal(answer.headers['content-type'], OCI_INDEX);
          assert.equal(answer.headers['oci-filters-applied'], applied);
          assert.deepEqual(
            listIn(answer, 'manifests'),
            inOrder(expected.filter((entry) => applied === undefined || entry.type === filter)),
          );
        }
      }),
      0.1,
    );
  });

  it('come in pages that no client finds too large, however much they say', async () => {
    await using node = await startFuzzNode();
    let runs = 0;

    const sizes = array(integer({ min: 1, max: 4_000_000 }), { minLength: 2, maxLength: 5 });
    await holds(
      asyncProperty(sizes, async (lengths) => {
        runs += 1;
        const repository = `sparse/large/${runs}`;
        const listed = new Map<Digest, Listed>();
        for (const length of lengths) {
          const artifact = { ...PLAIN, annotations: { text: 'x'.repeat(length) } };
          await push(node, repository, artifact, listed);
        }

        const pages = await walk(node, `/v2/${repository}/referrers/${SUBJECTS[0]}`);

        for (const { body } of pages) assert.ok(body.length <= 4 << 20);
        assert.deepEqual(
          pages.flatMap((answer) => listIn(answer, 'manifests')),
          inOrder([...listed.values()]),
        );
      }),
      0.006,
    );
  });
});

const SUBJECTS = [
  digestOf(Buffer.from('one')),
  digestOf(Buffer.from('other')),
  digestOf(Buffer.from('third'), 'sha512'),
] as const;

// NUL is refused.
const TEXTS = textOf({ maxLength: 8 }).map((text) => text.replaceAll('\0', ''));
const TYPES = oneof(constantFrom('', 'application/a', 'application/A', 'application/b'), TEXTS);

interface Artifact {
  readonly subject: Digest;
  readonly isIndex: boolean;
  readonly artifactType: string | undefined;
  readonly configType: string;
  readonly annotations: Readonly<Record<string, string>>;
}
const ARTIFACTS: Arbitrary<Artifact> = record({
  subject: constantFrom(...SUBJECTS),
  isIndex: constantFrom(true, false),
  artifactType: option(TYPES, { nil: undefined }),
  configType: TYPES,
  annotations: dictionary(TEXTS, TEXTS, { maxKeys: 3 }),
});
const PLAIN: Artifact = {
  subject: SUBJECTS[0],
  isIndex: true,
  artifactType: 'application/a',
  configType: '',
  annotations: {},
};

/** A referrer, and the descriptor that it must be listed with. */
interface Listed {
  readonly subject: Digest;
  readonly type: string | undefined;
  readonly descriptor: { readonly digest: Digest };
}

async function push(
  node: FuzzNode,
  repository: string,
  artifact: Artifact,
  listed: Map<Digest, Listed>,
): Promise<void> {
  const { subject, isIndex, artifactType, configType, annotations } = artifact;
  const mediaType = isIndex ? OCI_INDEX : OCI_MANIFEST;
  const config = { mediaType: configType, digest: SUBJECTS[0], size: 3 };
  const content = isIndex ? { manifests: [] } : { config, layers: [] };
  const bytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType,
      artifactType,
      ...content,
      subject: { mediaType: OCI_MANIFEST, digest: subject, size: 3 },
      annotations,
    }),
  );
  const digest = digestOf(bytes);
  const path = `/v2/${repository}/manifests/${digest}`;
  const headers = { 'Content-Type': mediaType };
  const answer = await node.send({ method: 'PUT', path, headers, body: bytes });
  assert.equal(answer.status, 201, answer.body.toString());
  assert.equal(answer.headers['oci-subject'], subject);
  const isTyped = artifactType !== undefined && artifactType !== '';
  const type = isTyped ? artifactType : isIndex ? undefined : configType;
  const descriptor = {
    mediaType,
    digest,
    size: bytes.length,
    ...(type === undefined ? {} : { artifactType: type }),
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
  };
  // As it looks after a journey through JSON, like the list.
  listed.set(digest, { subject, type, descriptor: JSON.parse(JSON.stringify(descriptor)) });
}

async function remove(
  node: FuzzNode,
  repository: string,
  listed: Map<Digest, Listed>,
  index: number,
): Promise<void> {
  const digest = [...listed.keys()][index % Math.max(1, listed.size)];
  if (digest === undefined) return;
  const path = `/v2/${repository}/manifests/${digest}`;
  assert.equal((await node.send({ method: 'DELETE', path })).status, 202);
  listed.delete(digest);
}

function inOrder(listed: readonly Listed[]): readonly unknown[] {
  return listed
    .map(({ descriptor }) => descriptor)
    .toSorted((one, other) => (one.digest < other.digest ? -1 : 1));
}
