import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ReplicationPolicy } from '../../policies/replication.ts';
import { type ArtifactFacts, selectsArtifact } from '../../policies/replication-selection.ts';

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const INDEX = 'application/vnd.oci.image.index.v1+json';
const CHART = 'application/vnd.cncf.helm.config.v1+json';
const IMAGE = 'application/vnd.oci.image.config.v1+json';

const image = { mediaType: MANIFEST, artifactType: IMAGE, labels: [], size: 100, isSigned: false };
const chart = { ...image, artifactType: CHART };
const index = { ...image, mediaType: INDEX, artifactType: undefined };
const charts = { artifactTypes: ['application/vnd.cncf.helm.*'] };
const images = { artifactTypes: ['application/vnd.oci.image.*'] };

describe('a policy selects an artifact', () => {
  const rows: readonly { rule: object; facts: ArtifactFacts; why?: string }[] = [
    { rule: {}, facts: image },
    { rule: {}, facts: {} },
    { rule: charts, facts: chart },
    { rule: charts, facts: image, why: `artifact type ${IMAGE}` },
    { rule: images, facts: image },
    { rule: images, facts: index },
    { rule: images, facts: chart, why: `artifact type ${CHART}` },
    { rule: charts, facts: {} },
    { rule: { mediaTypes: { exclude: [INDEX] } }, facts: index, why: `media type ${INDEX}` },
    { rule: { mediaTypes: { exclude: [INDEX] } }, facts: image },
    { rule: { labels: ['a'] }, facts: { ...image, labels: ['b', 'a'] } },
    {
      rule: { labels: ['a', 'b'] },
      facts: { ...image, labels: ['a'] },
      why: 'without the label b',
    },
    { rule: { labels: ['a'] }, facts: image, why: 'without the label a' },
    { rule: { labels: ['a'] }, facts: { mediaType: MANIFEST } },
    {
      rule: { labels: { exclude: ['a', 'b'] } },
      facts: { ...image, labels: ['b'] },
      why: 'with the label b',
    },
    { rule: { labels: { exclude: [['a', 'b']] } }, facts: { ...image, labels: ['b'] } },
    {
      rule: { labels: { exclude: [['a', 'b']] } },
      facts: { ...image, labels: ['b', 'a'] },
      why: 'with the label a and b',
    },
    { rule: { maxSize: '100B' }, facts: image },
    { rule: { maxSize: '99B' }, facts: image, why: 'of 100 bytes' },
    { rule: { maxSize: '99B' }, facts: { mediaType: MANIFEST } },
    { rule: { signedOnly: true }, facts: image, why: 'not signed' },
    { rule: { signedOnly: true }, facts: { ...image, isSigned: true } },
    { rule: { signedOnly: true }, facts: { mediaType: MANIFEST } },
  ];
  for (const { rule, facts, why } of rows) {
    it(`by ${JSON.stringify(rule)}${why === undefined ? '' : `, but none ${why}`}`, () => {
      const policy = ReplicationPolicy.parse({
        source: 'hub',
        destinations: [{ endpoint: 'local' }],
        ...rule,
      });

      assert.deepEqual(
        selectsArtifact(facts, policy),
        why === undefined ? { isSelected: true } : { isSelected: false, why },
      );
    });
  }
});
