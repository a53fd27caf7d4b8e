import type { Middleware } from '../context.ts';
import { RequestError } from '../request-error.ts';

/** Characters. Ten tag parameters of full length fit four times over (distribution-spec main "Pushing Manifests"). */
const LONGEST_URL = 8 * 1024;

// Nothing in the grammars of names, tags and digests needs an escape but the colon, which some clients send as `%3A`.
// Two readers of an encoded slash, of `..` or of `//` may see two repositories, and one of them decides who may.
const AMBIGUOUS = /%(?!3a)|\/\/|\/\.{1,2}(?:\/|$)|[^\w.~:/@+=,%-]/i;

/**
 * Refuses the paths under `/v2` that could be read in two ways, before anything routes by them.
 *
 * @throws RequestError 414, 400
 */
export function v2Path(): Middleware {
  return (ctx, next) => {
    const url = ctx.req.url ?? '';
    const path = ctx.path;
    if (!path.startsWith('/v2')) return next();
    ctx.res.setHeader('Docker-Distribution-Api-Version', 'registry/2.0');
    if (url.length > LONGEST_URL) {
      throw new RequestError(414, 'UNSUPPORTED', {
        message: `the URL is longer than ${LONGEST_URL} characters`,
      });
    }
    if (AMBIGUOUS.test(path)) {
      throw new RequestError(400, 'NAME_INVALID', {
        message: 'the path has an empty or relative part, or a character that must not be there',
      });
    }
    if (path.includes('%')) ctx.path = path.replaceAll(/%3a/gi, ':');
    return next();
  };
}
