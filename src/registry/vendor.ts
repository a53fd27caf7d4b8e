import type { z } from 'zod';

/** What a vendor's registry can do: known before one is connected, and true of all of them. */
export interface Capabilities {
  /** False for what is only read. */
  readonly push: boolean;
  /** Whether a blob can go there in several requests, and a push that broke off goes on. */
  readonly chunkedPush: boolean;
  /** Whether a blob can be taken from another repository there. */
  readonly mount: boolean;
  readonly deleteManifest: boolean;
  /** Whether a tag can be taken away and its manifest left. */
  readonly deleteTag: boolean;
  readonly listRepositories: boolean;
  /** Whether one call tells what many tags point to. */
  readonly listTagDigests: boolean;
  /** Whether what a repository is in (project, namespace, or itself) has to be there before a push. */
  readonly prepare: boolean;
}

/** A registry that follows distribution-spec and has distribution's catalogue. */
export const PLAIN: Capabilities = {
  push: true,
  chunkedPush: true,
  mount: true,
  deleteManifest: true,
  deleteTag: true,
  listRepositories: true,
  listTagDigests: false,
  prepare: false,
};

/** What is told of a vendor to whoever is about to configure one of its registries. */
export interface VendorFacts {
  /** As the vendor calls it. */
  readonly title: string;
  /** What it is for here, and what it cannot: a sentence or two. */
  readonly description: string;
  /** What Harbor's API calls it, where Harbor has it and calls it otherwise. */
  readonly harborType?: string;
  /** Its places, where it has a few: by name. Without it, any URL. */
  readonly places?: readonly { readonly name: string; readonly url: string }[];
  readonly credential: CredentialFacts;
  readonly capabilities: Capabilities;
  /** How many parts, apart by slashes, a repository's name may have. */
  readonly nameParts?: { readonly least: number; readonly most?: number };
}

/** How its credential is asked for. */
export interface CredentialFacts {
  /** What the two fields hold there: `an access key id and its secret`. */
  readonly description: string;
  /** Where the user name is the same for everybody. */
  readonly username?: string;
  /** Whether the password is a file's content, such as a key in JSON. */
  readonly isFile?: boolean;
}

/** A vendor as `adapters/` lists it. */
export interface Vendor extends VendorFacts {
  /** The value of `adapter:` in the configuration. */
  readonly name: string;
  /** What goes under `options:`, with a description of each. */
  readonly options: z.ZodType;
}
