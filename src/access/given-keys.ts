import type { KeyObject } from 'node:crypto';
import { calculateJwkThumbprint } from 'jose';
import {
  ALGORITHM,
  keyOf,
  PrivateJwk,
  type PublishedKey,
  type SigningKeys,
} from './signing-keys.ts';

/**
 * Keys that the operator keeps, and not the node: the first signs, all verify, and none ever changes while it runs. Who
 * wants to rotate puts another one first, and leaves the one before in its place until its last token has ended.
 *
 * @param privateKeys for ES256, one at least
 */
export async function givenSigningKeys(privateKeys: readonly KeyObject[]): Promise<SigningKeys> {
  const keys = await Promise.all(privateKeys.map(given));
  const [first] = keys;
  if (first === undefined) throw new Error('there is no signing key');
  return {
    signing: async () => ({ kid: first.published.kid, privateKey: first.privateKey }),
    verifying: async (kid) => keys.find(({ published }) => published.kid === kid)?.publicKey,
    published: async () => keys.map(({ published }) => published),
  };
}

async function given(key: KeyObject) {
  const jwk = PrivateJwk.parse(key.export({ format: 'jwk' }));
  const { d: _, ...shown } = jwk;
  const kid = await calculateJwkThumbprint(shown);
  const published: PublishedKey = { ...shown, kid, alg: ALGORITHM, use: 'sig' };
  return { privateKey: await keyOf(() => jwk), publicKey: await keyOf(() => shown), published };
}
