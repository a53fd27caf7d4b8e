/** What one question of the bench found. */
export interface Answer {
  readonly question: string;
  readonly unit: string;
  /** Medians by contestant. */
  readonly figures: Readonly<Record<string, number>>;
  /** What the project promises of them, and whether it held in this run. */
  readonly promise: string;
  readonly ratio: number;
  readonly isKept: boolean;
}

/** What a question needs of the run. */
export interface Bench {
  readonly folder: string;
  /** The namespace of the upstream, at the other end of the link. */
  readonly upstreamNamespace: string;
  readonly rounds: number;
  /** Whether a part of the work is enough. */
  readonly isShort: boolean;
}

export type Question = (bench: Bench) => Promise<readonly Answer[]>;
