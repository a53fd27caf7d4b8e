import { z } from 'zod';

const Payload = z.object({ exp: z.number() });

/** When a JWT says that it ends (RFC 7519 section 4.1.4): milliseconds UTC; undefined where it does not, or is none. Verifies nothing. */
export function expiryOf(token: string): number | undefined {
  const [, payload = ''] = token.split('.');
  try {
    const parsed = Payload.safeParse(JSON.parse(Buffer.from(payload, 'base64url').toString()));
    return parsed.success ? parsed.data.exp * 1000 : undefined;
  } catch {
    return undefined;
  }
}
