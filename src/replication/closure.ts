/** Everything that a manifest reaches, as a copy needs it: blobs first, then manifests, each after what it refers to. */
import { wantedChildren } from '../../policies/replication-platforms.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import { OciError } from '../oci/error.ts';
import { type Manifest, parseManifest } from '../oci/manifest.ts';

export interface Closure {
  /** Each once; what a push may leave out is not among them. */
  readonly blobs: readonly Descriptor[];
  /** Children first, the root last, and what refers to it after it. */
  readonly manifests: readonly Digest[];
  /** Whether a rule left children of an index out. */
  readonly isSparse: boolean;
  /** Bytes of all of it. */
  readonly size: number;
}

export interface ClosureOptions {
  readonly manifest: (digest: Digest) => Promise<Manifest>;
  /** What names the manifest as its subject; asked of each. */
  readonly referrers: (subject: Digest) => Promise<readonly Descriptor[]>;
  /** Undefined: all. */
  readonly platforms: readonly string[] | undefined;
}

/** Far above what any real artifact has; below what would fill the memory. */
const MOST_MANIFESTS = 10_000;
const MOST_DEPTH = 16;
const MOST_BLOBS = 20_000;

/**
 * @throws what reading a manifest throws; OciError MANIFEST_INVALID where there is no end to it
 */
export async function closureOf(root: Manifest, options: ClosureOptions): Promise<Closure> {
  const walk = new Walk(options);
  await walk.visit(root, 0);
  return walk.closure;
}

class Walk {
  readonly #options: ClosureOptions;
  readonly #blobs = new Map<Digest, Descriptor>();
  readonly #manifests: Digest[] = [];
  readonly #seen = new Set<Digest>();
  #isSparse = false;
  #size = 0;

  constructor(options: ClosureOptions) {
    this.#options = options;
  }

  get closure(): Closure {
    return {
      blobs: [...this.#blobs.values()],
      manifests: this.#manifests,
      isSparse: this.#isSparse,
      size: this.#size,
    };
  }

  async visit(manifest: Manifest, depth: number): Promise<void> {
    const { digest, size } = manifest.descriptor;
    if (this.#seen.has(digest)) return;
    this.#seen.add(digest);
    if (depth > MOST_DEPTH || this.#seen.size > MOST_MANIFESTS) {
      throw tooLarge(`${MOST_MANIFESTS} manifests, or ${MOST_DEPTH} one below the other`);
    }
    this.#size += size;
    for (const child of this.#contentOf(manifest)) {
      await this.visit(await this.#options.manifest(child), depth + 1);
    }
    this.#manifests.push(digest);
    for (const referrer of await this.#options.referrers(digest)) {
      const found = await this.#options.manifest(referrer.digest);
      const { subject } = parseManifest(found.bytes, found.descriptor.mediaType);
      // What a list says is not enough: it could name anything.
      if (subject?.digest === digest) await this.visit(found, depth + 1);
    }
  }

  /** Notes its blobs. @returns the manifests below it that are wanted */
  #contentOf({ bytes, descriptor }: Manifest): readonly Digest[] {
    const { references, mediaType } = parseManifest(bytes, descriptor.mediaType);
    const children: Digest[] = [];
    for (const { kind, optional, digest, size } of references) {
      if (kind === 'manifest') children.push(digest);
      else if (!optional && !this.#blobs.has(digest)) {
        this.#blobs.set(digest, { mediaType, digest, size });
        if (this.#blobs.size > MOST_BLOBS) throw tooLarge(`${MOST_BLOBS} blobs`);
        this.#size += size;
      }
    }
    const { platforms } = this.#options;
    if (platforms === undefined || children.length === 0) return children;
    const { wanted, left } = wantedChildren(bytes, platforms);
    if (left.length > 0) this.#isSparse = true;
    return wanted;
  }
}

function tooLarge(what: string): OciError {
  return new OciError('MANIFEST_INVALID', { message: `more than ${what} hang together` });
}
