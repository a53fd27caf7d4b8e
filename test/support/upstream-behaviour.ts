/** Which requests; what is left out matches everything. */
export interface RequestPattern {
  readonly method?: string;
  /** Against the path with its query. */
  readonly path?: RegExp;
  /** Only the next so many; for `behave`. */
  readonly times?: number;
}

/** How an answer departs from a good one. Several may be combined. */
export interface Behaviour {
  /** Accepts the request and never answers. */
  readonly silent?: boolean;
  /** Answers only once this has resolved. */
  readonly hold?: Promise<unknown>;
  /** Resets the connection before any answer. */
  readonly reset?: boolean;
  /** Answers this instead, with `body` (a small JSON error by default). */
  readonly status?: number;
  readonly body?: string;
  /** Added to the answer; replaces what it would have said. An empty text leaves a header out. */
  readonly headers?: Readonly<Record<string, string>>;
  /** 307 (or `status`) to there. */
  readonly redirectTo?: URL | ((path: string) => URL | string);
  /** All answers of the rule together, or all that is pushed. */
  readonly bytesPerSecond?: number;
  /** So many bytes of the body, then nothing, with the connection left open. */
  readonly stallAfter?: number;
  /** So many bytes of the body, then the connection is closed. */
  readonly cutAfter?: number;
  /** So many bytes of the body, then the connection is reset. */
  readonly resetAfter?: number;
  /** The first byte of the body is another. */
  readonly corrupt?: boolean;
  /** The body has this many bytes less, and says so truthfully. */
  readonly shorterBy?: number;
  /** Answers 200 with everything. */
  readonly ignoreRange?: boolean;
  /** So many bytes of the request's body, then the connection is reset. */
  readonly resetBodyAfter?: number;
  /** Does what was asked, and resets the connection instead of saying so. */
  readonly resetBeforeAnswer?: boolean;
  /** So many bytes of the request's body, and no more is read. */
  readonly ignoreBodyAfter?: number;
  /** Chunked, without Content-Length. */
  readonly sayNoLength?: boolean;
}

/** What `transmit` obeys: a behaviour with its bucket. */
export interface Paced extends Behaviour {
  readonly pace?: ((bytes: number) => Promise<void>) | undefined;
}

/** The rules in force, newest first. */
export class Conduct {
  #rules: { when: RequestPattern; how: Paced; left: number }[] = [];

  add(when: RequestPattern, how: Behaviour): Disposable {
    const pace = how.bytesPerSecond === undefined ? undefined : paceOf(how.bytesPerSecond);
    const rule = { when, how: { ...how, pace }, left: when.times ?? Number.POSITIVE_INFINITY };
    this.#rules.unshift(rule);
    return {
      [Symbol.dispose]: () => {
        this.#rules = this.#rules.filter((other) => other !== rule);
      },
    };
  }

  clear(): void {
    this.#rules = [];
  }

  of(method: string, path: string): Paced {
    const rule = this.#rules.find(
      ({ when, left }) =>
        left > 0 &&
        (when.method === undefined || when.method === method) &&
        (when.path === undefined || when.path.test(path)),
    );
    if (rule === undefined) return {};
    rule.left -= 1;
    return rule.how;
  }
}

/** A bucket without burst: resolves when the bytes may go. */
function paceOf(bytesPerSecond: number): (bytes: number) => Promise<void> {
  let freeAt = performance.now();
  return (bytes) => {
    const at = Math.max(performance.now(), freeAt);
    freeAt = at + (bytes / bytesPerSecond) * 1000;
    const waitMs = at - performance.now();
    return waitMs < 1 ? Promise.resolve() : new Promise((go) => setTimeout(go, waitMs));
  };
}
