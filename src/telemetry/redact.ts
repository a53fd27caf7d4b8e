/** What must not reach a log, taken out of free text: errors quote requests, and libraries quote headers. */

const HIDDEN = '[hidden]';

const CREDENTIAL = /\b(basic|bearer|negotiate)(\s+|%20)[A-Za-z0-9._~+/=-]{4,}/gi;
// RFC 7519: three parts of base64url, of which the first says {"…
const JSON_WEB_TOKEN = /(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*/g;
// Text comes from strangers: schemes are bounded, and a URL is taken whole, so that no text takes longer than its length.
const USER_OF_URL = /(\b[a-z][a-z0-9+.-]{0,31}:\/\/)[^\s/?#@"']+@/gi;
const URL_IN_TEXT = /\b[a-z][a-z0-9+.-]{0,31}:\/\/[^\s"'<>]*/gi;
// Signed URLs of object stores carry their signature in the query (X-Amz-Signature, sig, Signature).
const QUERY = /\?[^)\]}]*/g;
const NAMED =
  /(["']?\b(?:authorization|password|passwd|secret|refresh_token|access_token|client_secret|token)\b["']?\s*[:=]\s*["']?)(?!\[hidden\])[^\s"',;&}]+/gi;

export function redact(text: string): string {
  return text
    .replace(CREDENTIAL, `$1$2${HIDDEN}`)
    .replace(JSON_WEB_TOKEN, HIDDEN)
    .replace(USER_OF_URL, `$1${HIDDEN}@`)
    .replace(URL_IN_TEXT, (url) => url.replace(QUERY, `?${HIDDEN}`))
    .replace(NAMED, (whole, before: string) =>
      /(?:basic|bearer|negotiate)$/i.test(whole) ? whole : `${before}${HIDDEN}`,
    );
}

/** An error as it may be logged: never its other fields, in which libraries keep whole requests. */
export interface DescribedError {
  readonly name: string;
  readonly message: string;
  readonly code?: string | undefined;
  readonly stack?: string | undefined;
  readonly cause?: DescribedError | undefined;
}

const DEEPEST_CAUSE = 5;

export function describeError(error: unknown, depth = 0): DescribedError {
  if (!(error instanceof Error)) return { name: typeof error, message: redact(String(error)) };
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  const hasCause = error.cause !== undefined && depth < DEEPEST_CAUSE;
  return {
    name: error.name,
    message: redact(error.message),
    ...(code === undefined ? {} : { code }),
    ...(error.stack === undefined ? {} : { stack: redact(error.stack) }),
    ...(hasCause ? { cause: describeError(error.cause, depth + 1) } : {}),
  };
}
