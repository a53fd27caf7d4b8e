import type { Subject } from '../../policies/access.ts';
import { createAccounts } from '../../src/access/accounts.ts';
import type { RobotPermission } from '../../src/access/robot-grants.ts';
import { isSecret } from '../../src/access/robot-secrets.ts';
import { createRobots, type NewRobot } from '../../src/access/robots.ts';
import type { Database } from '../../src/database/database.ts';
import type { TestEngine } from '../support/databases.ts';
import { addProject } from './projects.ts';

export const AT = Date.UTC(2026, 10, 21);
const ADMIN: Subject = { isAdmin: true, roles: new Map() };
export const BY_ADMIN = { subject: ADMIN, actor: { name: 'admin', address: '192.0.2.7' } };
export const PULL: RobotPermission = {
  kind: 'project',
  namespace: 'team',
  access: [{ resource: 'repository', action: 'pull' }],
};
export const CI: NewRobot = {
  name: 'ci',
  level: 'project',
  description: 'builds',
  durationDays: 30,
  disabled: false,
  permissions: [PULL],
};

export function privateProject(id: number) {
  return { id, isPublic: false };
}

/** The node's robots, in the projects `team` and `other`. */
export async function openRobots(engine: TestEngine) {
  const database = await engine.open();
  const clock = { now: AT };
  const now = () => clock.now;
  const accounts = createAccounts(database, { now });
  return {
    database,
    clock,
    accounts,
    robots: createRobots(database, { now }),
    /** Whether `robot$team+ci` has the secret. */
    async accepts(secret: string) {
      const account = await accounts.find('robot$team+ci');
      return account !== undefined && isSecret(secret, account.passwordHash);
    },
    team: await addProject(database, 'team'),
    other: await addProject(database, 'other'),
    [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
  };
}

export async function removeProject(database: Database, id: number): Promise<void> {
  await database.write((transaction) =>
    transaction.updateTable('projects').set({ deleted_at: AT }).where('id', '=', id).execute(),
  );
}
