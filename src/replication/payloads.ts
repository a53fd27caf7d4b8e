/** What tasks are told, as rows keep it. */
import { z } from 'zod';
import { type Digest, isDigest } from '../oci/digest.ts';

const DigestText = z.custom<Digest>((value) => typeof value === 'string' && isDigest(value));

/** All repositories of the source. */
export const Expand = z.strictObject({
  /** Only those behind these, the last ones of the page before. One was written before several were. */
  after: z.union([z.array(z.string()), z.string().transform((name) => [name])]).default([]),
});

/** One repository of the source, to all destinations. */
export const ExpandRepository = z.strictObject({
  repository: z.string(),
  /** Only tags after it. */
  after: z.string().optional(),
});

const Place = z.strictObject({
  /** The repository at the source. */
  from: z.string(),
  /** Index in the policy's destinations. */
  destination: z.int(),
  /** The repository there. */
  to: z.string(),
});
export type Place = z.infer<typeof Place>;

/** One tag, or one manifest without any. */
export const SyncReference = Place.extend({
  tag: z.string().optional(),
  /** What the tag pointed to when it was listed. */
  digest: DigestText.optional(),
  /** Whether the tag is not at the source yet: a push waits for this copy. */
  isAhead: z.boolean().default(false),
  /** Whether it was chosen with what it belongs to, if it belongs to anything. */
  isChosen: z.boolean().default(false),
  /** Times that it was planned before, because its content went away. */
  attempt: z.int().default(0),
});
export type SyncReference = z.input<typeof SyncReference>;

export const CopyBlob = Place.extend({ digest: DigestText, size: z.int() });

/** A tag that is to go, and what was found out of it then. */
const GoneTag = z.strictObject({
  tag: z.string(),
  /** As in `DeleteTag`, with the rest of this. */
  digest: DigestText.optional(),
  isMirrored: z.boolean().default(false),
});

/** What a mirror has to lose there, and of how many tags that its policy selects. */
export const PruneRepository = Place.extend({
  selected: z.int(),
  /** Names alone were written before digests were. */
  gone: z.array(z.union([GoneTag, z.string().transform((tag) => ({ tag, isMirrored: false }))])),
});
export type PruneRepository = z.output<typeof PruneRepository>;

/** What is to go there. */
export const DeleteTag = Place.extend({
  tag: z.string(),
  /** What it was there: nothing else goes. Undefined of a deletion that is repeated, which is of the name. */
  digest: DigestText.optional(),
  /** Whether the source had it then, and the rules do not select it: it goes although the source has it. */
  isMirrored: z.boolean(),
});
export type DeleteTag = z.infer<typeof DeleteTag>;

/** Manifests whose content is there, children before their parents; the last one gets the tag. */
export const PutManifests = Place.extend({
  manifests: z.array(DigestText).min(1),
  tag: z.string().optional(),
  /** Where a rule leaves children out. */
  isSparse: z.boolean(),
  /** As in `SyncReference`, with the rest of this. */
  isAhead: z.boolean().default(false),
  isChosen: z.boolean().default(false),
  attempt: z.int().default(0),
});
