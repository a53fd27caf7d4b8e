import { isDeepStrictEqual } from 'node:util';
import { type Actor, writeAudit } from '../audit/audit.ts';
import type { Database, WriteTransaction } from '../database/database.ts';
import { type Listed, type ListQuery, listPage } from '../database/listing.ts';
import { ManagementError } from '../oci/management-error.ts';
import {
  draftOf,
  ENDPOINT_LISTING,
  type EndpointDraft,
  type EndpointRow,
  endpointRow,
  endpointRows,
  insertDraft,
  isLost,
  type ManagedEndpoint,
  managedEndpoint,
  projectsOf,
  type Sealing,
  updateDraft,
} from './endpoint-drafts.ts';
import { refuseUsedByPolicy, renameInPolicies } from './policy-endpoints.ts';
import { refuseExposures } from './project-changes.ts';

export interface EndpointAdministrationOptions {
  readonly database: Database;
  /** Milliseconds UTC. */
  readonly now: () => number;
  readonly secrets: Sealing;
  /** Whether what is made by the API may be in a private network or on this machine. */
  readonly allowPrivateAddress: boolean;
  /** What is wrong with it, for people: an adapter that there is not, a URL that may not be. */
  readonly problemWith: (endpoint: EndpointDraft) => string | undefined;
  /** Asks the registry whether it is there and lets this node in. Rejects with the reason. */
  readonly ping: (endpoint: EndpointDraft, options: { signal: AbortSignal }) => Promise<void>;
}

/** What shall change; what is left out stays. */
export interface EndpointChange {
  readonly name?: string | undefined;
  readonly description?: string | undefined;
  readonly url?: string | undefined;
  /** Empty: none. */
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** PEM; empty: none. */
  readonly ca?: string | undefined;
}

export interface NewEndpoint extends EndpointChange {
  readonly name: string;
  readonly adapter: string;
  readonly url: string;
}

interface Waiting {
  /** Aborting gives up, and nothing has changed. */
  readonly signal: AbortSignal;
}

/**
 * Remote registries as people manage them. Passwords go in and never come out. What the configuration file declares is
 * FORBIDDEN to change.
 */
export interface EndpointAdministration {
  /** Fields: `id`, `name`, `adapter`, `url`, `createdAt`, `updatedAt`. @throws ManagementError BAD_REQUEST */
  list(query: ListQuery): Promise<Listed<ManagedEndpoint>>;
  /** @throws ManagementError NOT_FOUND */
  get(id: number): Promise<ManagedEndpoint>;
  /** Asks the registry first. @throws ManagementError BAD_REQUEST, where it does not answer well, too; CONFLICT */
  create(endpoint: NewEndpoint, actor: Actor, options: Waiting): Promise<{ readonly id: number }>;
  /**
   * Asks the registry first, where it is another one or somebody else comes there. With another URL, the password has to
   * be given again: it is for whom it was meant. With another name, it has that in policies, too.
   *
   * @throws ManagementError NOT_FOUND, FORBIDDEN, BAD_REQUEST, CONFLICT, where somebody changed it meanwhile, too,
   *   PRECONDITION for another name where a policy of the configuration file has the old one
   */
  update(id: number, change: EndpointChange, actor: Actor, options: Waiting): Promise<void>;
  /** @throws ManagementError NOT_FOUND, FORBIDDEN, PRECONDITION while a project or a replication policy uses it */
  remove(id: number, actor: Actor): Promise<void>;
  /** One that there is, or one that somebody thinks of. @throws ManagementError NOT_FOUND, BAD_REQUEST with the reason */
  ping(endpoint: number | Omit<NewEndpoint, 'name'>, options: Waiting): Promise<void>;
}

export function createEndpointAdministration(
  options: EndpointAdministrationOptions,
): EndpointAdministration {
  const { database, now, secrets, allowPrivateAddress } = options;
  const settings = allowPrivateAddress ? { allowPrivateAddress } : {};

  return {
    async list(query) {
      const { items, total } = await listPage(endpointRows(database.read), query, ENDPOINT_LISTING);
      return { items: items.map((row) => managedEndpoint(row, secrets)), total };
    },

    get: async (id) => managedEndpoint(await endpointRow(database.read, id), secrets),

    async create(endpoint, actor, { signal }) {
      const draft = newDraft(endpoint, settings);
      await assertGood(draft, options, signal);
      return database.write(async (transaction) => {
        await refuseName(transaction, draft.name);
        const at = now();
        const id = await insertDraft(transaction, draft, { secrets, at });
        await tell(transaction, draft.name, { actor, operation: 'create', at });
        return { id };
      });
    },

    async update(id, change, actor, { signal }) {
      const row = await endpointRow(database.read, id);
      refuseDeclared(row);
      const before = draftOf(row, secrets);
      const draft = { ...changed(before, change), settings: { ...before.settings, ...settings } };
      if (isElsewhere(before, draft)) await assertGood(draft, options, signal);
      await database.write(async (transaction) => {
        refuseOther(await endpointRow(transaction, id), row);
        if (draft.name !== before.name) await refuseName(transaction, draft.name);
        const at = now();
        const sealed = keepsCredential(before, change) ? row.credential : undefined;
        await updateDraft(transaction, { id, draft, sealed }, { secrets, at });
        await refuseExposures(transaction, draft.name);
        await renameInPolicies(transaction, before.name, draft.name);
        await tell(transaction, draft.name, { actor, operation: 'update', at });
      });
    },

    async remove(id, actor) {
      await database.write(async (transaction) => {
        const row = await endpointRow(transaction, id);
        refuseDeclared(row);
        await refuseUsed(transaction, row);
        await transaction.deleteFrom('endpoints').where('id', '=', id).execute();
        await tell(transaction, row.name, { actor, operation: 'delete', at: now() });
      });
    },

    async ping(endpoint, { signal }) {
      const draft =
        typeof endpoint === 'number'
          ? await draftToPing(options, endpoint)
          : newDraft({ ...endpoint, name: 'ping' }, settings);
      await assertGood(draft, options, signal);
    },
  };
}

/** @throws ManagementError NOT_FOUND, BAD_REQUEST where its credential is lost */
async function draftToPing(
  { database, secrets }: EndpointAdministrationOptions,
  id: number,
): Promise<EndpointDraft> {
  const row = await endpointRow(database.read, id);
  if (!isLost(row, secrets)) return draftOf(row, secrets);
  const message = `the credential of registry ${row.name} cannot be opened: give it another one`;
  throw new ManagementError('BAD_REQUEST', message);
}

function newDraft(endpoint: NewEndpoint, settings: EndpointDraft['settings']): EndpointDraft {
  const { name, adapter, url } = endpoint;
  const blank = { description: '', credential: undefined, ca: undefined };
  return changed({ ...blank, name, adapter, url, settings }, endpoint);
}

/** @throws ManagementError BAD_REQUEST */
function changed(before: EndpointDraft, change: EndpointChange): EndpointDraft {
  const { name = before.name, description = before.description, url = before.url } = change;
  const isOtherUrl = url !== before.url;
  const username = change.username ?? before.credential?.username ?? '';
  // Given to another host, it would be given away.
  const password = change.password ?? (isOtherUrl ? undefined : before.credential?.password) ?? '';
  const isNobody = username === '' || (isOtherUrl && password === '');
  if (!isNobody && password === '') {
    throw new ManagementError('BAD_REQUEST', `a password for ${username} is missing`);
  }
  const ca = change.ca ?? before.ca ?? '';
  return {
    ...before,
    name,
    description,
    url,
    credential: isNobody ? undefined : { username, password },
    ca: ca === '' ? undefined : ca,
  };
}

/** One that cannot be opened, too: its master key may be found again. */
function keepsCredential({ url }: EndpointDraft, change: EndpointChange): boolean {
  if (change.username !== undefined || change.password !== undefined) return false;
  return change.url === undefined || change.url === url;
}

/** Whether another registry, or the same in another way, would be asked. */
function isElsewhere(before: EndpointDraft, after: EndpointDraft): boolean {
  return !isDeepStrictEqual(wayTo(before), wayTo(after));
}

function wayTo({ url, credential, ca }: EndpointDraft): object {
  return { url, credential, ca };
}

/** Harbor's bound for names of registries. */
const LONGEST_NAME = 64;

async function assertGood(
  draft: EndpointDraft,
  { problemWith, ping }: EndpointAdministrationOptions,
  signal: AbortSignal,
): Promise<void> {
  if (!/^\P{Cc}+$/u.test(draft.name) || draft.name.length > LONGEST_NAME) {
    const message = `a name has 1 to ${LONGEST_NAME} characters`;
    throw new ManagementError('BAD_REQUEST', message);
  }
  const problem = problemWith(draft);
  if (problem !== undefined) throw new ManagementError('BAD_REQUEST', problem);
  try {
    await ping(draft, { signal });
  } catch (cause) {
    signal.throwIfAborted();
    const reason = cause instanceof Error ? cause.message : 'no answer';
    const message = `the registry is unhealthy: ${reason}`;
    throw new ManagementError('BAD_REQUEST', message, { cause });
  }
}

async function refuseName(transaction: WriteTransaction, name: string): Promise<void> {
  const same = await transaction
    .selectFrom('endpoints')
    .select('id')
    .where('name', '=', name)
    .executeTakeFirst();
  if (same === undefined) return;
  throw new ManagementError('CONFLICT', `registry ${name} already exists`);
}

function refuseDeclared({ name, declared }: EndpointRow): void {
  if (declared === 0) return;
  const message = `registry ${name} is declared in the configuration file: change it there`;
  throw new ManagementError('FORBIDDEN', message);
}

/** @throws ManagementError PRECONDITION */
async function refuseUsed(transaction: WriteTransaction, { id, name }: EndpointRow): Promise<void> {
  const [project] = await projectsOf(transaction, id);
  if (project !== undefined) {
    const message = `registry ${name} is used by project ${project}`;
    throw new ManagementError('PRECONDITION', message);
  }
  await refuseUsedByPolicy(transaction, name);
}

/** It was asked about for seconds. */
function refuseOther(current: EndpointRow, before: EndpointRow): void {
  refuseDeclared(current);
  if (isDeepStrictEqual(current, before)) return;
  const message = `registry ${before.name} was changed meanwhile: look at it again`;
  throw new ManagementError('CONFLICT', message);
}

async function tell(
  transaction: WriteTransaction,
  resource: string,
  act: { actor: Actor; operation: 'create' | 'update' | 'delete'; at: number },
): Promise<void> {
  const about = { resourceType: 'registry', resource, succeeded: true, detail: '' } as const;
  await writeAudit(transaction, { ...act, ...about });
}
