import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isDigest } from '../../src/oci/digest.ts';
import {
  isNameComponent,
  isRepositoryName,
  isTag,
  parseReference,
} from '../../src/oci/reference.ts';

const HEX = 'ab'.repeat(32);

describe('a repository name', () => {
  for (const name of [
    'a',
    'library/alpine',
    'a.b/c_d/e__f/g-h/i---j',
    `${'a'.repeat(127)}/${'b'.repeat(127)}`,
  ]) {
    it(`may be ${name.slice(0, 40)}`, () => assert.ok(isRepositoryName(name)));
  }
  for (const name of [
    '',
    'A',
    'a//b',
    '/a',
    'a/',
    'a..b',
    'a___b',
    '-a',
    'a-',
    'a b',
    'ä',
    'a/../b',
    'a'.repeat(256),
  ]) {
    it(`may not be "${name.slice(0, 40)}"`, () => assert.ok(!isRepositoryName(name)));
  }

  it('has a first part without slashes', () => {
    assert.ok(isNameComponent('docker.io'));
    assert.ok(!isNameComponent('docker.io/library'));
    assert.ok(!isNameComponent('host:5000'));
  });
});

describe('a tag', () => {
  for (const tag of ['latest', '_', 'v1.2.3-rc_1', 'A'.repeat(128)]) {
    it(`may be ${tag.slice(0, 40)}`, () => assert.ok(isTag(tag)));
  }
  for (const tag of ['', '.a', '-a', 'a+b', 'a:b', 'a/b', 'A'.repeat(129)]) {
    it(`may not be "${tag.slice(0, 40)}"`, () => assert.ok(!isTag(tag)));
  }
});

describe('a digest', () => {
  it('is sha256 or sha512 with lower-case hex of the right length', () => {
    assert.ok(isDigest(`sha256:${HEX}`));
    assert.ok(isDigest(`sha512:${HEX}${HEX}`));
    assert.ok(!isDigest(`sha256:${HEX.toUpperCase()}`));
    assert.ok(!isDigest(`sha512:${HEX}`));
    assert.ok(!isDigest(`md5:${HEX}`));
  });
});

describe('a reference', () => {
  it('is a digest when it has a colon, else a tag', () => {
    assert.deepEqual(parseReference(`sha256:${HEX}`), { kind: 'digest', digest: `sha256:${HEX}` });
    assert.deepEqual(parseReference('latest'), { kind: 'tag', tag: 'latest' });
  });

  it('is refused as what it was meant to be', () => {
    assert.throws(() => parseReference('sha256:baddigeststring'), { code: 'DIGEST_INVALID' });
    assert.throws(() => parseReference('-latest'), { code: 'TAG_INVALID' });
  });
});
