import assert from 'node:assert/strict';
import { projectPeople } from '../../src/access/project-people.ts';
import type { EndpointDraft } from '../../src/catalog/endpoint-drafts.ts';
import { createManagement } from '../../src/catalog/management.ts';
import type { TestEngine } from '../support/databases.ts';
import { openWorld } from './world.ts';

/** Seals nothing, but opens only where it was sealed. */
const secrets = {
  seal: (text: string, purpose: string) => `${purpose} ${Buffer.from(text).toString('base64')}`,
  open(sealed: string, purpose: string) {
    const [place, box = ''] = sealed.split(' ');
    assert.equal(place, purpose, `${purpose} does not open`);
    return Buffer.from(box, 'base64').toString();
  },
};

export const ANN = { name: 'ann', address: '192.0.2.7' };

/** A catalog, and what people manage it with. Endpoint `secret` has a credential in the configuration file. */
export async function openManagement(
  engine: TestEngine,
  /** Happens while a registry is asked. */
  meanwhile: () => Promise<void> = async () => {},
) {
  const world = await openWorld(engine);
  const { database, store, clock } = world;
  const now = (): number => clock.at;
  const pinged: EndpointDraft[] = [];
  const management = createManagement({
    database,
    store,
    now,
    wellKnownHosts: ['docker.io'],
    hasConfiguredCredential: (name) => name === 'secret',
    people: projectPeople,
    secrets,
    allowPrivateAddress: false,
    problemWith: ({ adapter }) =>
      adapter === 'distribution' ? undefined : `there is no adapter ${adapter}`,
    openBlob: (_repository, digest) => store.open(digest),
    async ping(endpoint) {
      pinged.push(endpoint);
      await meanwhile();
      if (endpoint.url.includes('down')) throw new Error('nobody is there');
    },
  });
  return { ...world, management, pinged };
}

export type ManagementWorld = Awaited<ReturnType<typeof openManagement>>;

/** @returns its id */
export async function addUser({ database }: ManagementWorld, name: string): Promise<number> {
  const { id } = await database.write((transaction) =>
    transaction
      .insertInto('users')
      .values({ name, password_hash: '', admin: 0, created_at: 0, updated_at: 0 })
      .returning('id')
      .executeTakeFirstOrThrow(),
  );
  return id;
}

/** A hosted one of that name, by ann, who is nobody in it. @returns its id */
export async function addProject(
  { management }: ManagementWorld,
  name: string,
  metadata: Readonly<Record<string, string>> = {},
): Promise<number> {
  const { id } = await management.projects.create({ name, metadata, creator: undefined }, ANN);
  return id;
}

/** What was written down, as `operation resourceType resource`. */
export async function told({ database }: ManagementWorld): Promise<readonly string[]> {
  const rows = await database.read.selectFrom('audit').selectAll().orderBy('id').execute();
  return rows.map((row) => `${row.actor} ${row.operation} ${row.resource_type} ${row.resource}`);
}
