import type { Middleware } from '../context.ts';
import { RequestError } from '../request-error.ts';

/**
 * Characters. Ten tag parameters of full length fit four times over (distribution-spec main "Pushing Manifests"), and the
 * scopes that fit come to a token that fits the header of the requests after it.
 */
const LONGEST_URL = 8 * 1024;

// Nothing in the grammars of names, tags and digests needs an escape but the colon, which some clients send as `%3A`.
// Two readers of an encoded slash, of `..` or of `//` may see two repositories, and one of them decides who may.
const AMBIGUOUS = /%(?!3a)|\/\/|\/\.{1,2}(?:\/|$)|[^\w.~:/@+=,%-]/i;

/**
 * Refuses what is no path or too long, and the paths under `/v2` that could be read in two ways, before anything routes
 * by them.
 *
 * @throws RequestError 414, 400
 */
export function requestPath(): Middleware {
  return (ctx, next) => {
    const url = ctx.req.url ?? '';
    if (!url.startsWith('/')) throw refused('UNSUPPORTED', 'the target of the request is no path');
    if (url.length > LONGEST_URL) {
      const message = `the URL is longer than ${LONGEST_URL} characters`;
      throw new RequestError(414, 'UNSUPPORTED', { message });
    }
    if (!url.startsWith('/v2')) return next();
    ctx.res.setHeader('Docker-Distribution-Api-Version', 'registry/2.0');
    const query = url.indexOf('?');
    const path = query < 0 ? url : url.slice(0, query);
    if (AMBIGUOUS.test(path)) {
      throw refused('NAME_INVALID', 'the path has an empty or relative part, or a wrong character');
    }
    if (path.includes('%')) ctx.path = path.replaceAll(/%3a/gi, ':');
    return next();
  };
}

function refused(code: string, message: string): RequestError {
  return new RequestError(400, code, { message });
}
