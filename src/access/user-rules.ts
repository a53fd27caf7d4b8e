/** What may be a user's name, password and profile: as Harbor has it (v2.13, handler/user.go), and what Basic needs. */
import { ManagementError } from '../oci/management-error.ts';

const LONGEST_NAME = 255;
const LONGEST_COMMENT = 30;
const LONGEST_PASSWORD = 128;
/** `$` is what tells robots from users; Harbor refuses the others with it. */
const ILLEGAL = /[,~#$%]/;
const EMAIL = /^[^<>()[\]\\.,;:\s@"]+(?:\.[^<>()[\]\\.,;:\s@"]+)*@(?:[a-z0-9-]+\.)+[a-z]{2,}$/i;
/** A name ends at a colon in Basic (RFC 7617 section 2), and no header holds control characters. */
const NOT_IN_BASIC = /[:\p{Cc}]/u;
/** What this node calls nobody. */
const RESERVED = new Set(['anonymous']);

/** @throws ManagementError BAD_REQUEST */
export function assertUserName(name: string): void {
  if (name.length < 1 || name.length > LONGEST_NAME || name.trim() !== name) {
    throw refused(`a user name has 1 to ${LONGEST_NAME} characters, and no space around them`);
  }
  if (ILLEGAL.test(name) || NOT_IN_BASIC.test(name)) {
    throw refused('a user name contains none of , ~ # $ % : and no control characters');
  }
  if (RESERVED.has(name.toLowerCase())) throw refused(`${name} is the name of nobody`);
}

/**
 * Of a person, or of a robot that brings its own.
 *
 * @throws ManagementError BAD_REQUEST
 */
export function assertPassword(password: string): void {
  const isLong = password.length >= 8 && password.length <= LONGEST_PASSWORD;
  if (isLong && [/[a-z]/, /[A-Z]/, /[0-9]/].every((kind) => kind.test(password))) return;
  throw refused(
    `a password or secret has 8 to ${LONGEST_PASSWORD} characters, and a capital letter, a small one and a digit among them`,
  );
}

export interface UserProfile {
  readonly email: string;
  readonly realName: string;
  readonly comment: string;
}

export type ProfileChange = {
  readonly [Key in keyof UserProfile]?: UserProfile[Key] | undefined;
};

/** @throws ManagementError BAD_REQUEST */
export function assertProfile({ email, realName, comment }: UserProfile): void {
  if (email.length > LONGEST_NAME || !EMAIL.test(email)) throw refused('that is no email address');
  if (realName.length < 1 || realName.length > LONGEST_NAME || ILLEGAL.test(realName)) {
    throw refused(`a real name has 1 to ${LONGEST_NAME} characters, none of them , ~ # $ %`);
  }
  if (comment.length > LONGEST_COMMENT) {
    throw refused(`a comment has at most ${LONGEST_COMMENT} characters`);
  }
}

function refused(message: string): ManagementError {
  return new ManagementError('BAD_REQUEST', message);
}
