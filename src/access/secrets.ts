import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { MasterKey, MasterKeys } from './master-key.ts';

/** NIST SP 800-38D: 96 random bits, good for 2^32 values under one key. */
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** Text as it lies in a row, and back: `v1.<id of the master key>.<nonce>.<AES-256-GCM>`, the last two in base64url. */
export interface Secrets {
  /** @param purpose what it is for, row included (`signing_keys/<kid>`): moved to another place, it does not open */
  seal(text: string, purpose: string): string;
  /** With the master key that sealed that one: whoever opens the one opens the other. @throws SecretUnreadable */
  sealAlike(sealed: string, text: string, purpose: string): string;
  /** @throws SecretUnreadable */
  open(sealed: string, purpose: string): string;
}

/** Sealed with a key that is not here, or not what was sealed. */
export class SecretUnreadable extends Error {
  override readonly name = 'SecretUnreadable';
}

export function createSecrets(keys: MasterKeys): Secrets {
  /** @throws SecretUnreadable */
  function masterOf(sealed: string, purpose: string): MasterKey {
    const [version, id] = sealed.split('.');
    const master = keys.find((candidate) => candidate.id === id);
    if (version === 'v1' && master !== undefined) return master;
    throw new SecretUnreadable(`${purpose} is sealed with master key ${id}, which is not here`);
  }

  return {
    seal: (text, purpose) => encrypted(keys[0], text, purpose),
    sealAlike: (sealed, text, purpose) => encrypted(masterOf(sealed, purpose), text, purpose),

    open(sealed, purpose) {
      const [, , nonce = '', box = ''] = sealed.split('.');
      const master = masterOf(sealed, purpose);
      try {
        return decrypted(master, purpose, { nonce: bytesOf(nonce), box: bytesOf(box) });
      } catch (cause) {
        throw new SecretUnreadable(`${purpose} is not what was sealed there`, { cause });
      }
    },
  };
}

function encrypted({ id, key }: MasterKey, text: string, purpose: string): string {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(contextOf(id, purpose));
  const box = [cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()];
  return `v1.${id}.${nonce.toString('base64url')}.${Buffer.concat(box).toString('base64url')}`;
}

function decrypted(
  { id, key }: MasterKey,
  purpose: string,
  { nonce, box }: { readonly nonce: Buffer; readonly box: Buffer },
): string {
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(contextOf(id, purpose));
  decipher.setAuthTag(box.subarray(-TAG_BYTES));
  const text = [decipher.update(box.subarray(0, -TAG_BYTES)), decipher.final()];
  return Buffer.concat(text).toString('utf8');
}

/** What the value is bound to. */
function contextOf(id: string, purpose: string): Buffer {
  return Buffer.from(`v1.${id}.${purpose}`);
}

function bytesOf(text: string): Buffer {
  return Buffer.from(text, 'base64url');
}
