import { type Digest, isDigest } from './digest.ts';
import { OciError } from './error.ts';

// distribution-spec v1.1.1 "Pulling manifests": the grammars of <name> and of <reference> as a tag.
const COMPONENT = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*';
const REPOSITORY_NAME = new RegExp(`^${COMPONENT}(?:/${COMPONENT})*$`);
const NAME_COMPONENT = new RegExp(`^${COMPONENT}$`);
const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;

/** Many clients cap host, slash and name together at 255 characters (the same section). */
const MOST_NAME_CHARACTERS = 255;

export function isRepositoryName(text: string): boolean {
  return text.length <= MOST_NAME_CHARACTERS && REPOSITORY_NAME.test(text);
}

/** Whether the text can be the first part of a repository's name, which is what a project is called. */
export function isNameComponent(text: string): boolean {
  return text.length <= MOST_NAME_CHARACTERS && NAME_COMPONENT.test(text);
}

export function isTag(text: string): boolean {
  return TAG.test(text);
}

/** A tag or a digest, as a client wrote it. */
export type Reference =
  | { readonly kind: 'tag'; readonly tag: string }
  | { readonly kind: 'digest'; readonly digest: Digest };

/**
 * A reference with a colon is meant as a digest, since no tag may have one.
 *
 * @throws OciError DIGEST_INVALID, TAG_INVALID
 */
export function parseReference(text: string): Reference {
  if (isDigest(text)) return { kind: 'digest', digest: text };
  if (text.includes(':')) throw new OciError('DIGEST_INVALID', { detail: text });
  if (!isTag(text)) throw new OciError('TAG_INVALID', { detail: text });
  return { kind: 'tag', tag: text };
}
