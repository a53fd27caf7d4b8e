import type { Digest } from '../oci/digest.ts';
import type { FilledBlobs } from './fill-records.ts';
import type { FilledOwnership, FillSource } from './fill-source.ts';
import { reporting } from './reporting.ts';

/** Who asked for a fill. */
export interface FillAsker {
  readonly repository: string;
  /** As in `FillSource`. */
  readonly project: number | undefined;
  readonly ownership: FilledOwnership;
}

/** The repositories that asked for a fill, and will have its blob. */
export class FillRepositories {
  readonly #digest: Digest;
  readonly #blobs: Pick<FilledBlobs, 'link'>;
  /** By {@link keyOf}. */
  readonly #asking = new Map<string, FillAsker>();
  readonly #linked = new Set<string>();

  constructor(digest: Digest, blobs: Pick<FilledBlobs, 'link'>) {
    this.#digest = digest;
    this.#blobs = blobs;
  }

  add(asker: FillAsker): void {
    this.#asking.set(keyOf(asker), asker);
  }

  /** Whether one of the same project asked: repositories of one project have the same upstream. */
  hasProjectOf({ repository, project }: FillAsker): boolean {
    const name = projectOf(repository);
    return [...this.#asking.values()].some(
      (known) => projectOf(known.repository) === name && known.project === project,
    );
  }

  /** It has the blob. */
  linked(asker: FillAsker): void {
    this.#linked.add(keyOf(asker));
  }

  /** Whether one has not been given the blob yet. */
  get isWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  /** Gives the blob to those that wait, once; a failure is told, and its repository asks again. */
  async linkWaiting(): Promise<void> {
    for (const asker of this.#waiting) {
      this.linked(asker);
      const { repository, project, ownership } = asker;
      await reporting('fill link', () =>
        this.#blobs.link(repository, this.#digest, ownership, { project }),
      );
    }
  }

  get #waiting(): readonly FillAsker[] {
    return [...this.#asking.values()].filter((asker) => !this.#linked.has(keyOf(asker)));
  }
}

function keyOf({ repository, project, ownership }: FillAsker): string {
  return `${project} ${ownership} ${repository}`;
}

/** Who asks for a repository with that source. */
export function askerOf(
  repository: string,
  { project, ownership = 'cache' }: Pick<FillSource, 'project' | 'ownership'>,
): FillAsker {
  return { repository, project, ownership };
}

export function projectOf(repository: string): string {
  return repository.slice(0, Math.max(0, repository.indexOf('/')));
}
