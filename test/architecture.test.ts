/**
 * Who may import what. The tables are the architecture (docs/architecture.md); the rest of the file only enforces them.
 * A missing arrow is no oversight: add it in a commit that says why.
 */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path/posix';
import { describe, it } from 'node:test';

const EVERYTHING = [''];

/** By folder, and by file where a file has rules of its own: what it may import beside itself. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  'src/main.ts': EVERYTHING,
  'src/node.ts': EVERYTHING,
  // Wiring too: of what is configured and what the API made, and of the API.
  'src/engine.ts': EVERYTHING,
  'src/endpoints.ts': EVERYTHING,
  'src/management-api.ts': EVERYTHING,
  'src/access-ports.ts': EVERYTHING,
  'src/registry-ports.ts': EVERYTHING,
  'src/replicating.ts': EVERYTHING,
  'src/dry-run-ports.ts': EVERYTHING,
  'src/job-service-ports.ts': EVERYTHING,
  'src/policy-ports.ts': EVERYTHING,
  'src/replication-event-ports.ts': EVERYTHING,
  'src/replication-lag-ports.ts': EVERYTHING,
  'src/replication-control-ports.ts': EVERYTHING,
  'src/replication-audit.ts': EVERYTHING,
  'src/replication-ports.ts': EVERYTHING,
  'src/replication-triggers.ts': EVERYTHING,
  'src/cli': EVERYTHING,
  'src/oci': [],
  'src/cache': [],
  'src/telemetry': [],
  policies: ['src/oci'],
  // How operators write a rate: an endpoint has one, and policies do.
  'src/registry': ['src/oci', 'src/cache', 'policies/replication-windows.ts'],
  'src/database': ['src/oci'],
  'src/storage': ['src/oci'],
  adapters: ['src/oci', 'src/registry'],
  'src/audit': ['src/oci', 'src/database'],
  'src/catalog': ['src/oci', 'src/database', 'src/storage', 'src/audit', 'policies'],
  'src/access': ['src/oci', 'src/cache', 'src/database', 'src/audit', 'policies'],
  'src/transfer': ['src/oci', 'src/registry', 'src/storage', 'src/catalog', 'policies'],
  'src/jobs': ['src/oci', 'src/database', 'src/audit', 'policies'],
  'src/proxy': [
    'src/oci',
    'src/cache',
    'src/registry',
    'src/storage',
    'src/catalog',
    'src/transfer',
    'policies',
  ],
  'src/replication': [
    'src/oci',
    'src/registry',
    'src/storage',
    'src/catalog',
    'src/transfer',
    'src/jobs',
    'policies',
  ],
  'src/http': ['src/oci', 'src/access', 'policies/access.ts'],
  'src/config': ['adapters/index.ts', 'policies'],
};
/** What costs nothing to know: the facts that every room publishes. */
const OPEN_TO_ALL = 'src/telemetry/channels.ts';

/** Folders that may build queries with Kysely: those that may import the database, and the database. */
const QUERYING = Object.keys(MAY_IMPORT).filter(
  (folder) => folder === 'src/database' || MAY_IMPORT[folder]?.includes('src/database'),
);
/** Libraries by the places that may use them, so that replacing one is a change in one place. */
const USED_IN: Record<string, readonly string[]> = {
  zod: EVERYTHING,
  'lru-cache': EVERYTHING,
  koa: ['src/http'],
  '@koa/router': ['src/http'],
  got: ['src/registry/http-client.ts', 'src/cli/node-api.ts'],
  'p-queue': ['src/registry/slots.ts', 'src/jobs/workers.ts'],
  'node-cron': ['src/jobs/clock.ts'],
  keyv: ['src/cache'],
  kysely: QUERYING,
  'node:sqlite': ['src/database'],
  pino: ['src/telemetry'],
  'pino-pretty': ['src/telemetry'],
  'prom-client': ['src/telemetry'],
  '@node-rs/argon2': ['src/access'],
  jose: ['src/access'],
  tldts: ['src/registry/realm.ts'],
  '@aws-sdk/client-ecr': ['adapters/aws'],
  '@aws-sdk/client-ecr-public': ['adapters/aws'],
  'google-auth-library': ['adapters/google.ts'],
  '@azure/identity': ['adapters/azure.ts'],
  'ipaddr.js': ['src/registry', 'src/http', 'src/config'],
  semver: ['policies/tag-version.ts'],
  re2js: ['policies/name-pattern.ts'],
  yaml: ['src/config', 'src/cli', 'adapters/helm'],
  'cli-progress': ['src/cli/progress.ts'],
  'tar-stream': ['src/cli', 'adapters/helm'],
};

const root = join(import.meta.dirname, '..');
const SPECIFIER =
  /(?:^|\n)\s*(?:import|export)\b(?:[^'"`;]*?\bfrom)?\s*['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/g;
const files = globSync('{src,adapters,policies}/**/*.ts', { cwd: root }).toSorted();

describe('the architecture', () => {
  for (const file of files) {
    it(`${file} is in a room of the plan and imports only what it may`, () => {
      assert.ok(MAY_IMPORT[roomOf(file)], `${roomOf(file)} is not in the table of folders`);
      assert.ok(!file.endsWith('/index.ts') || file.startsWith('adapters/'), 'no barrels');
      for (const specifier of specifiersOf(file)) {
        if (specifier.startsWith('.')) assertArrow(file, join(dirname(file), specifier));
        else assertDoor(file, specifier);
      }
    });
  }

  it('names only folders and libraries that are used', () => {
    const rooms = new Set(files.map(roomOf));
    const used = new Set(files.flatMap(specifiersOf));

    assert.deepEqual(
      Object.keys(MAY_IMPORT).filter((room) => !rooms.has(room)),
      [],
    );
    assert.deepEqual(
      Object.keys(USED_IN).filter((library) => !used.has(library)),
      [],
    );
  });
});

function specifiersOf(file: string): readonly string[] {
  const text = readFileSync(join(root, file), 'utf8');
  return [...text.matchAll(SPECIFIER)].map(([, named, lazy]) => named ?? lazy ?? '');
}

function assertArrow(file: string, target: string): void {
  const [from, to] = [roomOf(file), roomOf(target)];
  const allowed = from === to || target === OPEN_TO_ALL || isWithin(target, MAY_IMPORT[from] ?? []);
  assert.ok(allowed, `${from} must not import ${target}`);
  const isList = file === 'adapters/index.ts';
  const isSibling = from === 'adapters' && to === 'adapters' && vendorOf(file) !== vendorOf(target);
  assert.ok(isList || !isSibling, `${file}: adapters do not import each other`);
}

function assertDoor(file: string, specifier: string): void {
  const library = specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
  const places = USED_IN[library];
  if (places === undefined) {
    assert.ok(specifier.startsWith('node:'), `${library} is not in the table of libraries`);
    return;
  }
  assert.ok(isWithin(file, places), `${library} is used only in ${places.join(', ')}`);
}

/** `adapters/harbor.ts` and `adapters/harbor/index.ts` are of one vendor. */
function vendorOf(file: string): string {
  return (file.split('/')[1] ?? '').replace(/\.ts$/, '');
}

/** A place is a file or a folder; the empty one is everywhere. */
function isWithin(file: string, places: readonly string[]): boolean {
  return places.some((place) => place === '' || file === place || file.startsWith(`${place}/`));
}

/** `src/http/v2/blobs.ts` is in `src/http`, `adapters/harbor.ts` in `adapters`, `src/node.ts` by itself. */
function roomOf(file: string): string {
  const [top = '', second = ''] = file.split('/');
  return top === 'src' ? `${top}/${second}` : top;
}
