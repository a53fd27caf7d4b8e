import { randomBytes } from 'node:crypto';
import { hash, verify } from '@node-rs/argon2';

/** OWASP Password Storage Cheat Sheet (2025), argon2id, the library's default: 19 MiB, two passes, one lane. */
const COST = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };

/** @returns argon2id in PHC form, salt and cost included. */
export function hashPassword(password: string): Promise<string> {
  return hash(password, COST);
}

/** About 20 ms of one thread of the pool, whatever the answer. */
export function isPassword(password: string, passwordHash: string): Promise<boolean> {
  return verify(passwordHash, password);
}

/** 120 random bits that survive being read aloud or pasted into a shell. */
export function generatePassword(): string {
  return randomBytes(15).toString('base64url');
}
