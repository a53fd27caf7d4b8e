/** What an operator does to people whom Harbor's API has no operation for, also while the node runs. */
import { resolve } from 'node:path';
import { createGroups } from '../access/groups.ts';
import { createUsers, type Users } from '../access/users.ts';
import type { Actor } from '../audit/audit.ts';
import { databaseFile } from '../database/data-folder.ts';
import type { Database } from '../database/database.ts';
import { EVERYTHING } from '../database/listing.ts';
import { openSqlite } from '../database/sqlite.ts';
import { ManagementError } from '../oci/management-error.ts';
import { CommandFailed } from './command-failed.ts';
import { assertCurrentData } from './current-data.ts';

/** No user's name has the sign. */
const OPERATOR: Actor = { name: 'portolan$cli', address: '' };
const options = { now: Date.now };

export type UserCommand = 'users disable' | 'users enable' | 'users sign-out';
export type GroupCommand = 'groups add' | 'groups remove';
export type PeopleCommand = UserCommand | GroupCommand;

/**
 * The node sees it at the user's next request.
 *
 * @returns what is so now, for the operator
 * @throws CommandFailed, DataTooNew, and then nothing has changed
 */
export function changeUser(folder: string, command: UserCommand, name: string): Promise<string> {
  return changed(folder, async (database) => {
    const users = createUsers(database, options);
    const id = await userNamed(users, name);
    if (command === 'users sign-out') {
      await users.signOut(id, OPERATOR);
      return `${name} is signed out.`;
    }
    const isDisabled = command === 'users disable';
    await users.setDisabled(id, isDisabled, OPERATOR);
    return `${name} is ${isDisabled ? 'disabled' : 'enabled'}.`;
  });
}

/** As {@link changeUser}. */
export function changeGroup(
  folder: string,
  command: GroupCommand,
  { group, user }: { readonly group: string; readonly user: string },
): Promise<string> {
  return changed(folder, async (database) => {
    const groups = createGroups(database, options);
    const id = await groupNamed(groups, group);
    const isIn = command === 'groups add';
    const member = await userNamed(createUsers(database, options), user);
    await groups.setMember(id, { user: member, isIn }, OPERATOR);
    return `${user} is ${isIn ? '' : 'not '}in ${group}.`;
  });
}

async function changed(
  dataFolder: string,
  work: (database: Database) => Promise<string>,
): Promise<string> {
  const folder = resolve(dataFolder);
  await assertCurrentData(folder);
  await using database = await openSqlite({ file: databaseFile(folder) });
  try {
    return await work(database);
  } catch (cause) {
    if (cause instanceof ManagementError) throw new CommandFailed(cause.message, { cause });
    throw cause;
  }
}

async function userNamed(users: Users, name: string): Promise<number> {
  const { items } = await users.list(called(name));
  const [user] = items;
  if (user === undefined) throw new CommandFailed(`there is no user ${name}`);
  return user.id;
}

async function groupNamed(groups: ReturnType<typeof createGroups>, name: string): Promise<number> {
  const { items } = await groups.list(called(name));
  const [group, ...others] = items;
  if (group === undefined) throw new CommandFailed(`there is no user group ${name}`);
  if (others.length === 0) return group.id;
  const kinds = items.map(({ kind }) => kind).join(', ');
  throw new CommandFailed(`there are several groups ${name}: ${kinds}`);
}

function called(value: string) {
  return { ...EVERYTHING, filters: [{ field: 'name', kind: 'exact', value }] } as const;
}
