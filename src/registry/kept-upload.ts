import { maintenanceFailed } from '../telemetry/channels.ts';
import type { LeftUpload, LeftUploads, UploadName } from './left-uploads.ts';

/**
 * One push's place among the uploads that are left. What cannot be read or written there costs the next push some bytes, and
 * this one nothing: it is told as failed maintenance.
 */
export class KeptUpload {
  readonly #left: LeftUploads | undefined;
  readonly #name: UploadName;
  #isKept = false;

  /** Without `left`, nothing is found or kept. */
  constructor(left: LeftUploads | undefined, name: UploadName) {
    this.#left = left;
    this.#name = name;
  }

  get mayKeep(): boolean {
    return this.#left !== undefined;
  }

  async find(): Promise<LeftUpload | undefined> {
    const found = await this.#quietly((left) => left.find(this.#name));
    this.#isKept = found !== undefined;
    return found;
  }

  /** Where the session is. One that was found stays as old as it is. */
  async keep(upload: LeftUpload): Promise<void> {
    await this.#quietly((left) =>
      this.#isKept ? left.moved(this.#name, upload.url) : left.keep(this.#name, upload),
    );
    this.#isKept = true;
  }

  /** The same where it is kept; nothing where it is not. */
  async moved({ url }: LeftUpload): Promise<void> {
    if (this.#isKept) await this.#quietly((left) => left.moved(this.#name, url));
  }

  async drop(): Promise<void> {
    if (this.#isKept) await this.#quietly((left) => left.forget(this.#name));
    this.#isKept = false;
  }

  async #quietly<Result>(
    work: (left: LeftUploads) => Promise<Result>,
  ): Promise<Result | undefined> {
    if (this.#left === undefined) return undefined;
    try {
      return await work(this.#left);
    } catch (error) {
      maintenanceFailed.publish({ work: 'uploads that are not done', error });
      return undefined;
    }
  }
}
