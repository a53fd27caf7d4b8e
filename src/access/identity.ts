import type { Accounts } from './accounts.ts';
import type { PasswordChecks } from './password-checks.ts';
import { hashPassword } from './passwords.ts';
import { isRobotName } from './robot-names.ts';
import { generateSecret, hashSecret } from './robot-secrets.ts';

/** Somebody whose password was right. */
export interface Identity {
  /** Of the account here. */
  readonly name: string;
}

/** What tells who has a name and a password: the database, or a directory that an operator has elsewhere. */
export interface IdentityProvider {
  /**
   * Undefined for a wrong password, and for a name that nobody has, which costs as much.
   *
   * @throws OciError TOOMANYREQUESTS when many are being checked
   */
  authenticate(name: string, password: string): Promise<Identity | undefined>;
}

/** Users and robots that have their password in the database. */
export function createLocalIdentities(
  accounts: Accounts,
  checks: Pick<PasswordChecks, 'matches'>,
): IdentityProvider {
  let decoy: Promise<string> | undefined;
  const robotDecoy = hashSecret(generateSecret());
  return {
    async authenticate(name, password) {
      // The time tells nobody which names exist.
      decoy ??= hashPassword('');
      const nobodys = isRobotName(name) ? robotDecoy : await decoy;
      const account = await accounts.find(name);
      const matches = await checks.matches(password, account?.passwordHash ?? nobodys);
      return account !== undefined && matches ? { name } : undefined;
    },
  };
}
