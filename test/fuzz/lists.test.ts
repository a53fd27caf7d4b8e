import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  type Arbitrary,
  array,
  asyncProperty,
  constantFrom,
  nat,
  oneof,
  record,
  stringMatching,
  subarray,
  uniqueArray,
} from 'fast-check';
import { digestOf } from '../../src/oci/digest.ts';
import { OCI_INDEX } from '../../src/oci/media-type.ts';
import { type FuzzNode, startFuzzNode } from './support/node.ts';
import { inByteOrder, namesIn, nextIn, pagesOf, partOf, pathOf, walk } from './support/pages.ts';
import { holds } from './support/runs.ts';

describe('tags/list', () => {
  it('has exactly the tags that come after `last`, in byte order, page by page', async () => {
    await using node = await startFuzzNode();
    let runs = 0;

    const inputs = record({
      tags: uniqueArray(TAGS, { maxLength: 30 }),
      deleted: array(nat(), { maxLength: 5 }),
      asked: pagesOf(TAGS),
    });
    await holds(
      asyncProperty(inputs, async ({ tags, deleted, asked }) => {
        runs += 1;
        const repository = `sparse/tags/${runs}`;
        await push(node, repository, tags);
        const left = new Set(tags);
        for (const index of deleted) await untag(node, repository, left, index);
        const path = pathOf(`/v2/${repository}/tags/list`, asked);

        const page = await node.send({ path });
        const pages = await walk(node, path);

        const expected = partOf(left, asked);
        const all = partOf(left, { ...asked, n: undefined });
        assert.deepEqual(page.json(), { name: repository, tags: expected });
        const isLast = expected.length === 0 || expected.length === all.length;
        assert.equal(nextIn(page) === undefined, isLast);
        if (Number(asked.n ?? 1) === 0) return;
        assert.deepEqual(
          pages.flatMap((answer) => namesIn(answer, 'tags')),
          all,
        );
      }),
      0.15,
    );
  });

  it('loses and doubles no tag while others come and go between its pages', async () => {
    await using node = await startFuzzNode();
    let runs = 0;

    const inputs = record({
      tags: uniqueArray(TAGS, { maxLength: 20 }),
      others: uniqueArray(TAGS, { minLength: 1, maxLength: 10 }),
      changes: array(record({ index: nat(9), isPush: constantFrom(true, false) }), {
        maxLength: 15,
      }),
      n: nat(4),
    });
    await holds(
      asyncProperty(inputs, async ({ tags, others, changes, n }) => {
        runs += 1;
        const repository = `sparse/moving/${runs}`;
        const steady = tags.filter((tag) => !others.includes(tag));
        await push(node, repository, tags);
        const coming = changes.values();
        const path = `/v2/${repository}/tags/list?n=${n + 1}`;

        const pages = await walk(node, path, async () => {
          const { value: change } = coming.next();
          const tag = others[(change?.index ?? 0) % others.length] ?? '';
          if (change?.isPush === true) await push(node, repository, [tag]);
          else if (change !== undefined) await remove(node, repository, tag);
        });

        const seen = pages.flatMap((answer) => namesIn(answer, 'tags'));
        assert.deepEqual(seen, inByteOrder(new Set(seen)));
        assert.ok(new Set(steady).isSubsetOf(new Set(seen)));
        assert.ok(new Set(seen).isSubsetOf(new Set([...tags, ...others])));
      }),
      0.05,
    );
  });
});

describe('_catalog', () => {
  it('has exactly the repositories that hold something, in byte order, page by page', async () => {
    await using node = await startFuzzNode();
    const held = new Set<string>();

    const inputs = record({
      repositories: subarray([...REPOSITORIES]),
      asked: pagesOf(constantFrom(...REPOSITORIES)),
    });
    await holds(
      asyncProperty(inputs, async ({ repositories, asked }) => {
        for (const name of new Set(repositories).symmetricDifference(new Set(held))) {
          if (held.delete(name)) await remove(node, name, digestOf(MANIFEST));
          else await push(node, name, []);
        }
        for (const name of repositories) held.add(name);
        const path = pathOf('/v2/_catalog', asked);

        const page = await node.send({ path });
        const pages = await walk(node, path);

        const expected = partOf(held, asked);
        assert.deepEqual(page.json(), { repositories: expected });
        if (Number(asked.n ?? 1) === 0) return;
        assert.deepEqual(
          pages.flatMap((answer) => namesIn(answer, 'repositories')),
          partOf(held, { ...asked, n: undefined }),
        );
      }),
      0.08,
    );
  });
});

const TAGS: Arbitrary<string> = oneof(
  stringMatching(/^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,3}$/),
  stringMatching(/^[a-zA-Z0-9_][a-zA-Z0-9._-]{120,127}$/),
  constantFrom('1.10', '1.9', 'V1', 'v1', 'v1-', 'v1.', 'v1_', '_', 'latest'),
);

/** Names that sort differently by bytes, by parts and by letters. */
const REPOSITORIES = [
  'local/a',
  'local/a/b',
  'local/a-b',
  'local/a.b',
  'local/a0',
  'local/ab',
  'local/b',
  'sparse/a',
  'sparse/tags/list',
] as const;

const MANIFEST = Buffer.from(
  JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] }),
);

/** Puts the tags on a manifest that needs nothing, as many at once as one request takes. */
async function push(node: FuzzNode, repository: string, tags: readonly string[]): Promise<void> {
  const query = tags.map((tag) => `tag=${tag}`).join('&');
  const path = `/v2/${repository}/manifests/${digestOf(MANIFEST)}?${query}`;
  const headers = { 'Content-Type': OCI_INDEX };
  const { status, body } = await node.send({ method: 'PUT', path, headers, body: MANIFEST });
  assert.equal(status, 201, body.toString());
}

async function untag(
  node: FuzzNode,
  repository: string,
  tags: Set<string>,
  index: number,
): Promise<void> {
  const tag = [...tags][index % Math.max(1, tags.size)];
  if (tag === undefined) return;
  await remove(node, repository, tag);
  tags.delete(tag);
}

async function remove(node: FuzzNode, repository: string, reference: string): Promise<void> {
  const path = `/v2/${repository}/manifests/${reference}`;
  const { status } = await node.send({ method: 'DELETE', path });
  assert.ok([202, 404].includes(status));
}
