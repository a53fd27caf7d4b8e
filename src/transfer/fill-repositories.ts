import type { Digest } from '../oci/digest.ts';
import type { FilledBlobs } from './fill-records.ts';
import { reporting } from './reporting.ts';

/** The repositories that asked for a fill, and will have its blob. */
export class FillRepositories {
  readonly #digest: Digest;
  readonly #blobs: Pick<FilledBlobs, 'link'>;
  readonly #asking = new Set<string>();
  readonly #linked = new Set<string>();

  constructor(digest: Digest, blobs: Pick<FilledBlobs, 'link'>) {
    this.#digest = digest;
    this.#blobs = blobs;
  }

  add(repository: string): void {
    this.#asking.add(repository);
  }

  /** Whether one of the same project asked: repositories of one project have the same upstream. */
  hasProjectOf(repository: string): boolean {
    const project = projectOf(repository);
    return [...this.#asking].some((known) => projectOf(known) === project);
  }

  /** It has the blob. */
  linked(repository: string): void {
    this.#linked.add(repository);
  }

  /** Whether one has not been given the blob yet. */
  get isWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  /** Gives the blob to those that wait, once; a failure is told, and its repository asks again. */
  async linkWaiting(): Promise<void> {
    for (const repository of this.#waiting) {
      this.#linked.add(repository);
      await reporting('fill link', () => this.#blobs.link(repository, this.#digest, 'cache'));
    }
  }

  get #waiting(): readonly string[] {
    return [...this.#asking].filter((repository) => !this.#linked.has(repository));
  }
}

export function projectOf(repository: string): string {
  return repository.slice(0, Math.max(0, repository.indexOf('/')));
}
