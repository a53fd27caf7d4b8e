/** Replication: what belongs to an artifact and travels with it: tags that name its digest, and signatures. */
import { algorithmOf, type Digest } from '../src/oci/digest.ts';

// `<algorithm>-<hex>` lists referrers where a registry does not (distribution-spec v1.1.1 "Referrers Tag Schema", which
// cuts the hex at 64); with an ending it is cosign's `.sig`, `.att`, `.sbom`, or of those who do alike.
const COMPANION = /^(?:sha256|sha512)-[0-9a-f]{64}(?:[0-9a-f]{64})?(?:\.[a-z0-9]+)?$/;
const COSIGN_ENDINGS = ['.sig', '.att', '.sbom'];
const LONGEST_HEX = 64;

/** Whether the tag is there for the sake of the digest that it names; such a tag is copied with that, and not by itself. */
export function isCompanion(tag: string): boolean {
  return COMPANION.test(tag);
}

/** Whether the tag belongs to what has this digest. */
export function accompanies(tag: string, digest: Digest): boolean {
  if (!isCompanion(tag)) return false;
  const [stem = ''] = tag.split('.', 1);
  return stem === stemOf(digest) || stem === stemOf(digest).slice(0, fallbackLength(digest));
}

/** Tags that may belong to what has this digest, for registries that are not asked for all of theirs. */
export function companionsOf(digest: Digest): readonly string[] {
  const stem = stemOf(digest);
  return [stem.slice(0, fallbackLength(digest)), ...COSIGN_ENDINGS.map((ending) => stem + ending)];
}

/** What is known of a referrer by the list it is in. */
export interface ReferrerFacts {
  readonly artifactType?: string | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

/** Whether what has this digest is signed, by what refers to it and by tags of its repository. Nobody checks by whom. */
export function isSigned(
  digest: Digest,
  {
    referrers,
    tags,
  }: { readonly referrers: readonly ReferrerFacts[]; readonly tags: readonly string[] },
): boolean {
  return referrers.some(isSignature) || tags.includes(`${stemOf(digest)}.sig`);
}

const SIGNATURES = new Set([
  // Notation (notaryproject/specifications, "signature-specification").
  'application/vnd.cncf.notary.signature',
  // cosign 2 with OCI 1.1 referrers.
  'application/vnd.dev.cosign.artifact.sig.v1+json',
]);
const BUNDLE = /^application\/vnd\.dev\.sigstore\.bundle\b/;

/** cosign 3 writes signatures and attestations as bundles, which differ by their annotations only. */
function isSignature({ artifactType = '', annotations = {} }: ReferrerFacts): boolean {
  if (SIGNATURES.has(artifactType)) return true;
  if (!BUNDLE.test(artifactType)) return false;
  return (
    annotations['dev.sigstore.bundle.content'] === 'message-signature' ||
    annotations['dev.sigstore.bundle.predicateType'] === 'https://sigstore.dev/cosign/sign/v1'
  );
}

function stemOf(digest: Digest): string {
  return digest.replace(':', '-');
}

function fallbackLength(digest: Digest): number {
  return algorithmOf(digest).length + 1 + LONGEST_HEX;
}
