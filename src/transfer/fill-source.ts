import type { BlobLane, BlobPart } from '../registry/peer.ts';

/** Of a blob that came by a fill. */
export type FilledOwnership = 'cache' | 'replica';

/** Upstream, seen from the fill of one blob. */
export interface FillSource {
  /** Names it in errors; the repository's first part where it is left out. */
  readonly host?: string | undefined;
  /** The row id of the project that asks: another one that has its name by now is given nothing. */
  readonly project?: number | undefined;
  /** The project whose members alone may see what comes from here; left out for what everybody may. */
  readonly privateTo?: string | undefined;
  /** What the blob is to its repository: evictable `cache` where it is left out, `replica` for what a policy copies. */
  readonly ownership?: FilledOwnership | undefined;
  /** Whether a large blob may come by several transfers at once where one alone is slow, as nobody waits for its first bytes. */
  readonly inParts?: boolean | undefined;
  /**
   * Asks for the bytes from `start`, to `end` if given (half-open), else to the blob's end. Aborting also ends the
   * transfer of a part that was handed out. Retries of the request itself are the source's: a fill asks again only
   * after a part broke off, and only when this throws UpstreamUnavailable or UpstreamThrottled. `lane` is `blob` where it
   * is left out.
   */
  open(
    range: { readonly start: number; readonly end?: number },
    options: { readonly signal: AbortSignal; readonly lane?: BlobLane },
  ): Promise<BlobPart>;
}
