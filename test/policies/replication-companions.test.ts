import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  accompanies,
  companionsOf,
  isCompanion,
  isSigned,
} from '../../policies/replication-companions.ts';
import { digestOf } from '../../src/oci/digest.ts';

const IMAGE = digestOf(new TextEncoder().encode('image'));
const LONG = digestOf(new TextEncoder().encode('image'), 'sha512');
const [HEX = '', LONG_HEX = ''] = [IMAGE, LONG].map((digest) => digest.split(':')[1]);

describe('a tag that accompanies an artifact', () => {
  const rows = [
    { name: "cosign's signature", tag: `sha256-${HEX}.sig`, is: true },
    { name: "cosign's attestation", tag: `sha256-${HEX}.att`, is: true },
    { name: "another tool's", tag: `sha256-${HEX}.vex`, is: true },
    { name: 'a list of referrers', tag: `sha256-${HEX}`, is: true },
    { name: 'of no digest', tag: `sha256-${HEX.slice(1)}.sig`, is: false },
    { name: 'of an algorithm that nobody knows', tag: `md5-${HEX}`, is: false },
    { name: 'with more behind it', tag: `sha256-${HEX}-debug`, is: false },
    { name: 'an ordinary one', tag: 'v1', is: false },
  ];
  for (const { name, tag, is } of rows) {
    it(`${is ? 'is' : 'is not'} ${name}`, () => {
      assert.equal(isCompanion(tag), is);
      assert.equal(accompanies(tag, IMAGE), is);
    });
  }

  it('names the digest that it belongs to', () => {
    assert.equal(accompanies(`sha256-${'0'.repeat(64)}.sig`, IMAGE), false);
  });

  it('names as much of a long digest as a tag of referrers holds', () => {
    assert.ok(accompanies(`sha512-${LONG_HEX}.sig`, LONG));
    assert.ok(accompanies(`sha512-${LONG_HEX.slice(0, 64)}`, LONG));
    assert.ok(!accompanies(`sha512-${LONG_HEX.slice(0, 64)}`, IMAGE));
  });

  it('can be asked for without a list of all', () => {
    for (const digest of [IMAGE, LONG]) {
      const tags = companionsOf(digest);
      assert.equal(tags.length, 4);
      assert.ok(tags.every((tag) => accompanies(tag, digest)));
    }
  });
});

describe('an artifact', () => {
  const bundle = 'application/vnd.dev.sigstore.bundle.v0.3+json';
  const rows = [
    { name: 'with nothing', referrers: [], is: false },
    {
      name: 'with a signature of notation',
      referrers: [{ artifactType: 'application/vnd.cncf.notary.signature' }],
      is: true,
    },
    {
      name: 'with a signature of cosign 2',
      referrers: [{ artifactType: 'application/vnd.dev.cosign.artifact.sig.v1+json' }],
      is: true,
    },
    {
      name: 'with a signature of cosign 3',
      referrers: [
        {
          artifactType: bundle,
          annotations: {
            'dev.sigstore.bundle.predicateType': 'https://sigstore.dev/cosign/sign/v1',
          },
        },
      ],
      is: true,
    },
    {
      name: 'with a bundle that is a bare signature',
      referrers: [
        {
          artifactType: bundle,
          annotations: { 'dev.sigstore.bundle.content': 'message-signature' },
        },
      ],
      is: true,
    },
    {
      name: 'with an attestation as a bundle',
      referrers: [
        {
          artifactType: bundle,
          annotations: { 'dev.sigstore.bundle.predicateType': 'https://slsa.dev/provenance/v1' },
        },
      ],
      is: false,
    },
    {
      name: 'with a bundle of nobody knows what',
      referrers: [{ artifactType: bundle }],
      is: false,
    },
    {
      name: 'with a list of parts',
      referrers: [{ artifactType: 'application/spdx+json' }, {}],
      is: false,
    },
  ];
  for (const { name, referrers, is } of rows) {
    it(`${name} is ${is ? '' : 'not '}signed`, () => {
      assert.equal(isSigned(IMAGE, { referrers, tags: [] }), is);
    });
  }

  it("is signed by cosign's tag of its digest alone", () => {
    const tags = [`sha256-${HEX}.sig`, `sha256-${HEX}.att`];

    assert.equal(isSigned(IMAGE, { referrers: [], tags }), true);
    assert.equal(isSigned(IMAGE, { referrers: [], tags: tags.slice(1) }), false);
    assert.equal(isSigned(LONG, { referrers: [], tags }), false);
  });
});
