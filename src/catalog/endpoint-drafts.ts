/** Endpoints between their rows and what people say of them. */
import { z } from 'zod';
import type { Queries, WriteTransaction } from '../database/database.ts';
import type { Listing } from '../database/listing.ts';
import type { Tables } from '../database/tables.ts';
import { ManagementError } from '../oci/management-error.ts';

/** Text as it lies in a row, and back; `purpose` names the place, and it opens nowhere else. */
export interface Sealing {
  seal(text: string, purpose: string): string;
  /** @throws where it cannot be opened, and for nothing else */
  open(sealed: string, purpose: string): string;
}

/** A registry as it shall be. */
export interface EndpointDraft {
  readonly name: string;
  readonly description: string;
  readonly adapter: string;
  readonly url: string;
  readonly credential: EndpointCredential | undefined;
  /** PEM: trusted there besides what the system trusts. */
  readonly ca: string | undefined;
  /** What the adapter and the connection take besides, as the configuration file would say it. */
  readonly settings: Readonly<Record<string, unknown>>;
}

export interface EndpointCredential {
  readonly username: string;
  readonly password: string;
}

/** A registry as people may see it. */
export interface ManagedEndpoint {
  /** 0 is this node. */
  readonly id: number;
  readonly name: string;
  readonly description: string;
  readonly adapter: string;
  readonly url: string;
  /** Whether the configuration file declares it, and has its credential. */
  readonly declared: boolean;
  /** Of its credential, where the API was given one that can be opened. */
  readonly username: string | undefined;
  readonly ca: string | undefined;
  /** Milliseconds UTC. */
  readonly createdAt: number;
  readonly updatedAt: number;
}

export const ENDPOINT_LISTING = {
  fields: {
    id: ['endpoints.id', 'integer'],
    name: ['endpoints.name', 'text'],
    adapter: ['endpoints.adapter', 'text'],
    url: ['endpoints.url', 'text'],
    createdAt: ['endpoints.created_at', 'time'],
    updatedAt: ['endpoints.updated_at', 'time'],
  },
  order: { column: 'endpoints.id', descending: false },
} as const satisfies Listing<Tables, 'endpoints'>;

/** Without this node. */
export function endpointRows(queries: Queries) {
  return queries.selectFrom('endpoints').selectAll().where('id', '>', 0);
}

export type EndpointRow = Awaited<
  ReturnType<ReturnType<typeof endpointRows>['executeTakeFirstOrThrow']>
>;

/** @throws ManagementError NOT_FOUND */
export async function endpointRow(queries: Queries, id: number): Promise<EndpointRow> {
  const row = await endpointRows(queries).where('id', '=', id).executeTakeFirst();
  if (row === undefined) throw new ManagementError('NOT_FOUND', `registry ${id} not found`);
  return row;
}

export function managedEndpoint(row: EndpointRow, secrets: Sealing): ManagedEndpoint {
  const { id, name, description, adapter, url, ca } = row;
  return {
    id,
    name,
    description,
    adapter,
    url,
    declared: row.declared === 1,
    username: openedCredential(row, secrets)?.username,
    ca: ca ?? undefined,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}

const Settings = z.record(z.string(), z.unknown());

/** Without the credential where it cannot be opened: nobody can know it any more, and another may be given. */
export function draftOf(row: EndpointRow, secrets: Sealing): EndpointDraft {
  const { name, description, adapter, url, ca, settings } = row;
  return {
    name,
    description,
    adapter,
    url,
    credential: openedCredential(row, secrets),
    ca: ca ?? undefined,
    settings: Settings.parse(JSON.parse(settings)),
  };
}

/** @returns its id */
export async function insertDraft(
  transaction: WriteTransaction,
  draft: EndpointDraft,
  { secrets, at }: { readonly secrets: Sealing; readonly at: number },
): Promise<number> {
  const { name, description, adapter, url, settings } = draft;
  const { id } = await transaction
    .insertInto('endpoints')
    .values({
      name,
      description,
      adapter,
      url,
      settings: JSON.stringify(settings),
      declared: 0,
      created_at: at,
      updated_at: at,
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  await updateDraft(transaction, { id, draft }, { secrets, at });
  return id;
}

interface DraftChange {
  readonly id: number;
  readonly draft: EndpointDraft;
  /** The credential as it lies in the row, where the draft has no other. */
  readonly sealed?: string | null | undefined;
}

/** The adapter stays. */
export async function updateDraft(
  transaction: WriteTransaction,
  { id, draft, sealed }: DraftChange,
  { secrets, at }: { readonly secrets: Sealing; readonly at: number },
): Promise<void> {
  const { name, description, url, credential, ca, settings } = draft;
  const anew =
    credential === undefined ? null : secrets.seal(JSON.stringify(credential), purposeOf(id));
  await transaction
    .updateTable('endpoints')
    .set({
      name,
      description,
      url,
      settings: JSON.stringify(settings),
      credential: sealed ?? anew,
      ca: ca ?? null,
      updated_at: at,
    })
    .where('id', '=', id)
    .execute();
}

/** Names of the projects that pull through from there. */
export async function projectsOf(queries: Queries, endpoint: number): Promise<readonly string[]> {
  const rows = await queries
    .selectFrom('project_endpoints')
    .innerJoin('projects', 'projects.id', 'project_endpoints.project')
    .select('projects.name')
    .where('project_endpoints.endpoint', '=', endpoint)
    .where('projects.deleted_at', 'is', null)
    .execute();
  return rows.map(({ name }) => name);
}

const Credential = z.object({ username: z.string(), password: z.string() });

/** What it authenticates with, where the API was given that. @throws what cannot be opened */
export function credentialOf(
  { id, credential }: { readonly id: number; readonly credential?: string | null | undefined },
  secrets: Pick<Sealing, 'open'>,
): EndpointCredential | undefined {
  if (credential == null) return undefined;
  return Credential.parse(JSON.parse(secrets.open(credential, purposeOf(id))));
}

/** Whether there is one that cannot be opened: its master key is lost. */
export function isLost(row: EndpointRow, secrets: Pick<Sealing, 'open'>): boolean {
  return row.credential !== null && openedCredential(row, secrets) === undefined;
}

function openedCredential(
  { id, credential }: Pick<EndpointRow, 'id' | 'credential'>,
  secrets: Pick<Sealing, 'open'>,
): EndpointCredential | undefined {
  if (credential === null) return undefined;
  let text: string;
  try {
    text = secrets.open(credential, purposeOf(id));
  } catch {
    return undefined;
  }
  return Credential.parse(JSON.parse(text));
}

/** The credential of an endpoint is sealed with a key that is not here; the message is for the operator as it is. */
export class CredentialLost extends Error {
  override readonly name = 'CredentialLost';
}

/** Every one of them, by the id of its endpoint. @throws CredentialLost that names the endpoint */
export async function openCredentials(
  queries: Queries,
  secrets: Pick<Sealing, 'open'>,
): Promise<ReadonlyMap<number, string>> {
  const rows = await queries
    .selectFrom('endpoints')
    .select(['id', 'name', 'credential'])
    .where('credential', 'is not', null)
    .execute();
  const texts = new Map<number, string>();
  for (const { id, name, credential } of rows) {
    try {
      texts.set(id, secrets.open(credential ?? '', purposeOf(id)));
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : 'it is damaged';
      throw new CredentialLost(
        `the credential of registry ${name} cannot be opened: ${reason}; give it another one, or remove it`,
        { cause },
      );
    }
  }
  return texts;
}

/** Seals all of them anew. @returns how many @throws CredentialLost */
export async function resealCredentials(
  transaction: WriteTransaction,
  secrets: Sealing,
): Promise<number> {
  const texts = await openCredentials(transaction, secrets);
  for (const [id, text] of texts) {
    await transaction
      .updateTable('endpoints')
      .set({ credential: secrets.seal(text, purposeOf(id)) })
      .where('id', '=', id)
      .execute();
  }
  return texts.size;
}

function purposeOf(id: number): string {
  return `endpoints/${id}`;
}
