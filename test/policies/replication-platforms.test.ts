import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { wantedChildren } from '../../policies/replication-platforms.ts';
import { type Digest, digestOf } from '../../src/oci/digest.ts';

/** What the entries of one index are for, by the name of each. */
const PLATFORMS = {
  'linux/amd64': { os: 'linux', architecture: 'amd64' },
  'linux/amd64/v3': { os: 'linux', architecture: 'amd64', variant: 'v3' },
  'linux/arm64': { os: 'linux', architecture: 'arm64' },
  'linux/arm64/v8': { os: 'linux', architecture: 'arm64', variant: 'v8' },
  'linux/arm/v6': { os: 'linux', architecture: 'arm', variant: 'v6' },
  'linux/arm/v7': { os: 'linux', architecture: 'arm', variant: '7' },
  'linux/s390x': { os: 'linux', architecture: 's390x' },
  'windows 10': { os: 'windows', architecture: 'amd64', 'os.version': '10.0.17763.1' },
  'windows 11': { os: 'windows', architecture: 'amd64', 'os.version': '11.0.1' },
} as const;
type Name = keyof typeof PLATFORMS;

describe('of an index', () => {
  const rows: readonly { platforms: readonly string[]; names: readonly Name[] }[] = [
    { platforms: ['linux/amd64'], names: ['linux/amd64', 'linux/amd64/v3'] },
    { platforms: ['linux/x86_64'], names: ['linux/amd64', 'linux/amd64/v3'] },
    { platforms: ['linux/amd64/v1'], names: ['linux/amd64'] },
    { platforms: ['linux/arm64'], names: ['linux/arm64', 'linux/arm64/v8'] },
    { platforms: ['linux/aarch64'], names: ['linux/arm64', 'linux/arm64/v8'] },
    { platforms: ['linux/arm64/v8'], names: ['linux/arm64', 'linux/arm64/v8'] },
    { platforms: ['linux/arm'], names: ['linux/arm/v6', 'linux/arm/v7'] },
    { platforms: ['linux/armhf'], names: ['linux/arm/v7'] },
    { platforms: ['linux/arm/v6', 'linux/s390x'], names: ['linux/arm/v6', 'linux/s390x'] },
    { platforms: ['windows/*'], names: ['windows 10', 'windows 11'] },
    { platforms: ['windows(10.0.*)/amd64'], names: ['windows 10'] },
    { platforms: ['*/s390x'], names: ['linux/s390x'] },
    { platforms: ['linux/riscv64'], names: [] },
  ];
  for (const { platforms, names } of rows) {
    it(`${platforms.join(' and ')} takes ${names.join(', ') || 'nothing'}`, () => {
      const { wanted, left } = wantedChildren(
        indexOf(Object.keys(PLATFORMS).map(entryOf)),
        platforms,
      );

      assert.deepEqual(wanted, names.map(digestFor));
      assert.equal(left.length, Object.keys(PLATFORMS).length - names.length);
    });
  }

  it('everything comes along where no platform is asked for', () => {
    const { wanted, left } = wantedChildren(
      indexOf(Object.keys(PLATFORMS).map(entryOf)),
      undefined,
    );

    assert.equal(wanted.length, Object.keys(PLATFORMS).length);
    assert.deepEqual(left, []);
  });

  it('what is left is called by its platform', () => {
    const names: readonly Name[] = ['linux/arm/v6', 'windows 10'];
    const { left } = wantedChildren(indexOf(names.map(entryOf)), ['linux/amd64']);

    assert.deepEqual(
      left.map(({ why }) => why),
      ['linux/arm/v6', 'windows(10.0.17763.1)/amd64'],
    );
  });

  it('what names no platform comes along', () => {
    const entries = [
      { digest: digestFor('nested') },
      { digest: digestFor('unknown'), platform: { os: 'unknown', architecture: 'unknown' } },
      { digest: digestFor('nonsense'), platform: 'linux' },
      entryOf('linux/s390x'),
    ];

    const { wanted } = wantedChildren(indexOf(entries), ['linux/amd64']);

    assert.deepEqual(wanted, ['nested', 'unknown', 'nonsense'].map(digestFor));
  });

  it('attestations go with what they are about', () => {
    const entries = [
      { ...attestationOf('linux/amd64'), digest: digestFor('about amd64') },
      entryOf('linux/amd64'),
      entryOf('linux/arm64'),
      { ...attestationOf('linux/arm64'), digest: digestFor('about arm64') },
      { ...attestationOf('elsewhere'), digest: digestFor('about something else') },
    ];

    const { wanted, left } = wantedChildren(indexOf(entries), ['linux/amd64']);

    assert.deepEqual(
      new Set(wanted),
      new Set(['linux/amd64', 'about amd64', 'about something else'].map(digestFor)),
    );
    assert.deepEqual(
      left.map(({ digest }) => digest),
      ['linux/arm64', 'about arm64'].map(digestFor),
    );
  });

  it('an image that is listed for two platforms comes along for either', () => {
    const digest = digestFor('both');
    const entries = [
      { ...entryOf('linux/arm64'), digest },
      { ...entryOf('linux/amd64'), digest },
    ];

    assert.deepEqual(wantedChildren(indexOf(entries), ['linux/amd64']), {
      wanted: [digest],
      left: [],
    });
  });

  it('nothing comes along that is no list of manifests', () => {
    for (const text of [
      '{}',
      '[]',
      'null',
      '{',
      '{"manifests":1}',
      '{"manifests":[1,{},{"digest":"x"}]}',
    ]) {
      const bytes = new TextEncoder().encode(text);
      assert.deepEqual(wantedChildren(bytes, undefined), { wanted: [], left: [] });
    }
  });
});

function digestFor(name: string): Digest {
  return digestOf(new TextEncoder().encode(name));
}

function entryOf(name: string): { digest: Digest; platform: unknown } {
  return {
    digest: digestFor(name),
    platform: Object.entries(PLATFORMS).find(([key]) => key === name)?.[1],
  };
}

/** As BuildKit adds them. */
function attestationOf(name: string): object {
  return {
    platform: { os: 'unknown', architecture: 'unknown' },
    annotations: {
      'vnd.docker.reference.type': 'attestation-manifest',
      'vnd.docker.reference.digest': digestFor(name),
    },
  };
}

function indexOf(manifests: readonly object[]): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ schemaVersion: 2, manifests }));
}
