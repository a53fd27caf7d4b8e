/** A request that HTTP itself has an answer for, before anything of a registry is asked. */
export class RequestError extends Error {
  override readonly name = 'RequestError';
  readonly status: number;
  /** As the client is told (distribution-spec v1.1.1 "Error Codes", or Harbor's words below `/api`). */
  readonly code: string;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    code: string,
    options: {
      readonly message: string;
      readonly headers?: Readonly<Record<string, string>>;
      readonly cause?: unknown;
    },
  ) {
    super(options.message, { cause: options.cause });
    this.status = status;
    this.code = code;
    this.headers = options.headers ?? {};
  }
}
