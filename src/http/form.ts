import type { Context } from './context.ts';
import { readBody } from './request-body.ts';
import { RequestError } from './request-error.ts';

/** Bytes. As much as a URL may have: the scopes that fit come to a token that fits a header. */
const LARGEST_FORM = 8 * 1024;

/** The body as `application/x-www-form-urlencoded`, whatever it says that it is. @throws RequestError 413 */
export async function readForm(ctx: Context): Promise<URLSearchParams> {
  const body = await readBody(ctx, LARGEST_FORM, tooLarge);
  return new URLSearchParams(body.toString('utf8'));
}

/** Two readers might understand two values differently. An empty one is none. @throws RequestError 400 */
export function oneOf(parameters: URLSearchParams, name: string): string | undefined {
  const [value, ...others] = parameters.getAll(name);
  if (others.length > 0) {
    throw new RequestError(400, 'UNSUPPORTED', { message: `${name} is given more than once` });
  }
  return value === '' ? undefined : value;
}

function tooLarge(): RequestError {
  const message = `the form is longer than ${LARGEST_FORM} bytes`;
  return new RequestError(413, 'UNSUPPORTED', { message });
}
