/**
 * Secrets of robots are random, so that a fast hash keeps them: nobody guesses 190 bits, and machines that come with one
 * for each request cost nothing. Those that somebody brings are under the rules of passwords.
 */
import { createHash, randomBytes, randomInt, timingSafeEqual } from 'node:crypto';

const LENGTH = 32;
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
const SCHEME = '$sha256$';

/** 32 letters and digits, some of each, since Harbor's tools ask for that of any secret. */
export function generateSecret(): string {
  for (;;) {
    const letters = Array.from({ length: LENGTH }, () => ALPHABET[randomInt(ALPHABET.length)]);
    const secret = letters.join('');
    if (/[A-Z]/.test(secret) && /[a-z]/.test(secret) && /[0-9]/.test(secret)) return secret;
  }
}

/** @returns `$sha256$salt$hash` */
export function hashSecret(secret: string): string {
  const salt = randomBytes(16).toString('base64url');
  return `${SCHEME}${salt}$${saltedHash(salt, secret).toString('base64url')}`;
}

/** Whether it is of `hashSecret`, and not of a password. */
export function isSecretHash(hash: string): boolean {
  return hash.startsWith(SCHEME);
}

export function isSecret(secret: string, hash: string): boolean {
  const [salt = '', expected = ''] = hash.slice(SCHEME.length).split('$');
  const bytes = Buffer.from(expected, 'base64url');
  const found = saltedHash(salt, secret);
  return bytes.length === found.length && timingSafeEqual(bytes, found);
}

function saltedHash(salt: string, secret: string): Buffer {
  return createHash('sha256').update(salt).update(secret).digest();
}
