/** A call that was not made, because nobody waited for it any more. */
class Abandoned extends Error {
  override readonly name = 'Abandoned';
}

/** Those who wait for a call. */
export class Audience {
  readonly #abandon = new AbortController();
  #waiting = 0;

  /** Aborted, with {@link Abandoned}, once the last one has left. Whoever never entered is not missed. */
  get abandoned(): AbortSignal {
    return this.#abandon.signal;
  }

  /** One more; disposing leaves. */
  enter(): Disposable {
    this.#waiting += 1;
    return {
      [Symbol.dispose]: () => {
        this.#waiting -= 1;
        if (this.#waiting === 0) this.#abandon.abort(new Abandoned('nobody waits for it'));
      },
    };
  }
}

/** What a call becomes for who comes when the others have left: the same where it was made, else another. */
export async function orAgain<T>(former: Promise<T>, again: () => Promise<T>): Promise<T> {
  try {
    return await former;
  } catch (error) {
    if (!(error instanceof Abandoned)) throw error;
  }
  return again();
}
