import { createPrivateKey, type KeyObject } from 'node:crypto';
import { z } from 'zod';

const BLOCK = /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?-----END [A-Z ]*PRIVATE KEY-----/g;
const HOW =
  'private keys in PEM on the curve P-256, as `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256` makes them';

/** One or more private keys for ES256 (RFC 7518 section 3.4), PEM after PEM; what stands between is ignored. */
export const SigningKeys = z.string().transform((text, context): readonly KeyObject[] => {
  const keys = (text.match(BLOCK) ?? []).map(keyIn);
  const usable = keys.filter((key) => key !== undefined);
  if (usable.length === 0 || usable.length < keys.length) {
    context.addIssue({ code: 'custom', message: HOW });
    return z.NEVER;
  }
  return usable;
});

function keyIn(pem: string): KeyObject | undefined {
  try {
    const key = createPrivateKey(pem);
    const isUsable = key.asymmetricKeyDetails?.namedCurve === 'prime256v1';
    return isUsable ? key : undefined;
  } catch {
    return undefined;
  }
}
