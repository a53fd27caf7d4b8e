/** Replication: which images of an index are copied. The index itself is never changed: the others are missing. */
import { z } from 'zod';
import { type Digest, isDigest } from '../src/oci/digest.ts';
import { matchesDoublestar } from './doublestar.ts';

// As containerd writes platforms: `<os>[(<version>)]/<architecture>[/<variant>]`.
const PLATFORM = /^([a-z0-9*]+)(?:\(([\w.*-]+)\))?\/([a-z0-9_*]+)(?:\/([a-z0-9.*]+))?$/;

export const Platform = z
  .string()
  .max(100)
  .regex(
    PLATFORM,
    'a platform such as linux/amd64, linux/arm64/v8, linux/* or windows(10.0.*)/amd64',
  );

// image-spec v1.1.1 "Image Index Property Descriptions"; what makes no sense is read as not there.
const Entry = z.object({
  digest: z.string().refine(isDigest),
  platform: z
    .object({
      os: z.string(),
      architecture: z.string(),
      variant: z.string().default('').catch(''),
      'os.version': z.string().default('').catch(''),
    })
    .optional()
    .catch(undefined),
  annotations: z.record(z.string(), z.string()).default({}).catch({}),
});
const Index = z.object({ manifests: z.array(z.unknown()) });

type Named = NonNullable<z.output<typeof Entry>['platform']>;

export interface WantedChildren {
  readonly wanted: readonly Digest[];
  /** With the platform that nobody asked for, or what they belong to. */
  readonly left: readonly { readonly digest: Digest; readonly why: string }[];
}

/**
 * Of the manifests that an index lists, those that come along. What names no platform does (a nested index, an artifact), and
 * attestations go with what they are about (BuildKit, "Image attestation storage"). None where the bytes are no index.
 */
export function wantedChildren(
  index: Uint8Array,
  platforms: readonly string[] | undefined,
): WantedChildren {
  const wanted = new Set<Digest>();
  const left = new Map<Digest, string>();
  const entries = entriesOf(index);
  for (const { digest, platform, about } of entries) {
    if (about !== undefined) continue;
    const isWanted = platforms === undefined || isAskedFor(platform, platforms);
    if (isWanted) wanted.add(digest);
    else left.set(digest, platform === undefined ? '' : textOf(platform));
  }
  for (const { digest, about } of entries) {
    if (about === undefined) continue;
    if (left.has(about) && !wanted.has(about)) left.set(digest, `about ${about}`);
    else wanted.add(digest);
  }
  return {
    wanted: [...wanted],
    left: [...left]
      .filter(([digest]) => !wanted.has(digest))
      .map(([digest, why]) => ({ digest, why })),
  };
}

interface Child {
  readonly digest: Digest;
  readonly platform: Named | undefined;
  /** What an attestation is about. */
  readonly about: Digest | undefined;
}

function entriesOf(index: Uint8Array): readonly Child[] {
  const { data } = Index.safeParse(jsonOf(index));
  return (data?.manifests ?? []).flatMap((value) => {
    const entry = Entry.safeParse(value);
    if (!entry.success) return [];
    const { digest, platform, annotations } = entry.data;
    const about = annotations['vnd.docker.reference.digest'];
    return [
      { digest, platform, about: about !== undefined && isDigest(about) ? about : undefined },
    ];
  });
}

function jsonOf(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
}

function isAskedFor(platform: Named | undefined, patterns: readonly string[]): boolean {
  if (platform === undefined || platform.os === 'unknown') return true;
  const there = canonical(platform);
  const variant = there.variant || DEFAULT_VARIANTS.get(there.architecture) || '';
  return patterns.some((pattern) => {
    const asked = canonical(parsed(pattern));
    // What a pattern leaves out may be anything: the empty pattern matches all.
    return (
      matchesDoublestar(there.os, asked.os) &&
      matchesDoublestar(there['os.version'], asked['os.version']) &&
      matchesDoublestar(there.architecture, asked.architecture) &&
      matchesDoublestar(variant, asked.variant)
    );
  });
}

function parsed(pattern: string): Named {
  const [, os = '', version = '', architecture = '', variant = ''] = PLATFORM.exec(pattern) ?? [];
  return { os, architecture, variant, 'os.version': version };
}

// What builders mean when they say less, and other words for the same: containerd's platforms/database.go.
const DEFAULT_VARIANTS = new Map([
  ['arm64', 'v8'],
  ['arm', 'v7'],
  ['amd64', 'v1'],
]);
const ARCHITECTURES = new Map<string, readonly [architecture: string, variant: string]>([
  ['x86_64', ['amd64', '']],
  ['i386', ['386', '']],
  ['i686', ['386', '']],
  ['aarch64', ['arm64', '']],
  ['armhf', ['arm', 'v7']],
  ['armel', ['arm', 'v6']],
]);

function canonical(platform: Named): Named {
  const named = platform.architecture.toLowerCase();
  const [architecture, variant] = ARCHITECTURES.get(named) ?? [named, ''];
  return {
    os: platform.os.toLowerCase().replace(/^macos$/, 'darwin'),
    architecture,
    variant: (platform.variant.toLowerCase() || variant).replace(/^(?=\d)/, 'v'),
    'os.version': platform['os.version'],
  };
}

function textOf({ os, architecture, variant, 'os.version': version }: Named): string {
  const system = version === '' ? os : `${os}(${version})`;
  return [system, architecture, variant].filter((part) => part !== '').join('/');
}
