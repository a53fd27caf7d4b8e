import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { createAccessTimes } from '../../../src/catalog/access-times.ts';
import { createBlobs } from '../../../src/catalog/blobs.ts';
import { createFills } from '../../../src/catalog/fills.ts';
import { SQLITE } from '../../../src/database/engine.ts';
import { migrate } from '../../../src/database/migrate.ts';
import { openSqlite } from '../../../src/database/sqlite.ts';
import type { Descriptor } from '../../../src/oci/descriptor.ts';
import type { BlobReader } from '../../../src/storage/blob-store.ts';
import { openFilesystem } from '../../../src/storage/filesystem.ts';
import type { FactChannel } from '../../../src/telemetry/channel.ts';
import type { TransferLimits } from '../../../src/transfer/limits.ts';
import { createTransfers, type FollowOptions } from '../../../src/transfer/transfers.ts';
import { readAll } from '../../storage/conformance.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { startUpstream, type Upstream } from '../../support/upstream.ts';
import { sourceAt } from './source.ts';

/** Where tests' blobs are pulled into, and from. */
export const REPOSITORY = 'docker.io/library/alpine';
export const BLOBS = /\/blobs\//;

/** Short pauses; everything else as in production. */
const QUICK: Partial<TransferLimits> = { backoffMs: 5, maxBackoffMs: 2000 };

/** Transfers over a real store and database in `folder`, as a node has them. */
export async function openNode(folder: string, limits: Partial<TransferLimits> = {}) {
  const resources = new AsyncDisposableStack();
  const store = resources.use(await openFilesystem(join(folder, 'data')));
  const database = resources.use(await openSqlite({ file: join(folder, 'portolan.db') }));
  await migrate(database, { engine: SQLITE, now: Date.now });
  await seedProjects(database);
  const accessTimes = resources.use(createAccessTimes({ database, now: Date.now }));
  const blobs = createBlobs({ database, store, accessTimes, now: Date.now });
  const fills = createFills({ database, now: Date.now });
  const transfers = resources.use(
    createTransfers({
      store,
      blobs,
      fills,
      room: { makeRoom: async () => true },
      now: Date.now,
      limits: { ...QUICK, ...limits },
    }),
  );
  return {
    store,
    blobs,
    fills,
    transfers,
    database,
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

export type Node = Awaited<ReturnType<typeof openNode>>;

export interface World extends AsyncDisposable {
  readonly folder: string;
  readonly upstream: Upstream;
  readonly node: Node;
  /** Ends the node as a stop does, and starts another one over the same data. */
  restart(): Promise<Node>;
  /** Random bytes that the upstream has, in the repository that is asked by default. */
  layer(size: number): Layer;
  /** As a client that asks this node for the layer. */
  open(layer: Layer, options?: Partial<FollowOptions> & AskOptions): Promise<BlobReader>;
}

export interface Layer extends Descriptor {
  readonly bytes: Buffer;
}

interface AskOptions {
  readonly repository?: string;
  /** What the manifest says, if that is a lie. */
  readonly size?: number;
  /** The project that the repository is of, if that is private. */
  readonly privateTo?: string;
  /** As what is copied comes. */
  readonly inParts?: boolean;
}

/** A node, an upstream, and nothing in either. */
export async function openWorld(limits: Partial<TransferLimits> = {}): Promise<World> {
  const resources = new AsyncDisposableStack();
  const { path: folder } = resources.use(await temporaryDirectory());
  const upstream = resources.use(await startUpstream());
  let node = resources.use(await openNode(folder, limits));
  return {
    folder,
    upstream,
    get node() {
      return node;
    },
    async restart() {
      await node[Symbol.asyncDispose]();
      node = resources.use(await openNode(folder, limits));
      return node;
    },
    layer(size) {
      const bytes = randomBytes(size);
      return { ...upstream.addBlob('library/alpine', bytes), bytes };
    },
    async open(layer, options = {}) {
      const {
        repository = REPOSITORY,
        size = layer.size,
        whole = true,
        signal,
        privateTo,
        inParts,
      } = options;
      const path = repository.slice(repository.indexOf('/') + 1);
      const source = { ...sourceAt(upstream, path, { ...layer, inParts }), privateTo };
      const wanted = { digest: layer.digest, size, repository, source };
      return node.transfers.open(wanted, { whole, signal });
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

/** Polls until the claim holds; fails with what it said last when that takes too long. */
export async function eventually(claim: () => void | Promise<void>): Promise<void> {
  const deadline = AbortSignal.timeout(10_000);
  for (;;) {
    try {
      return await claim();
    } catch (error) {
      if (deadline.aborted) throw error;
      await setTimeout(5);
    }
  }
}

/** No fill is left: no row, no staged file, no open file. */
export async function assertNothingLeft({ folder, node }: World): Promise<void> {
  await eventually(async () => {
    assert.deepEqual(await node.fills.list(), []);
    assert.deepEqual(await node.store.staged(), []);
    assert.deepEqual(await openBelow(join(folder, 'data')), []);
  });
}

/** The blob is in the repository, and its file has the bytes. */
export async function assertKept({ node }: World, layer: Layer, repository = REPOSITORY) {
  await eventually(async () => {
    assert.deepEqual(await node.blobs.find(repository, layer.digest), { size: layer.size });
    await using reader = await node.store.open(layer.digest);
    const bytes = await readAll(reader, AbortSignal.timeout(10_000));
    assert.ok(bytes.equals(layer.bytes));
  });
  await node.store[Symbol.asyncDispose](); // Its cache of open files.
}

/** Nobody sees the blob. */
export async function assertNotKept({ node }: World, layer: Layer): Promise<void> {
  assert.equal(await node.blobs.find(REPOSITORY, layer.digest), undefined);
  assert.equal(await node.store.size(layer.digest), undefined);
}

/** What the channel told of since. */
export function heard<Fact extends object>(channel: FactChannel<Fact>) {
  const facts: Fact[] = [];
  const subscription = channel.subscribe((fact) => facts.push(fact));
  return { facts, [Symbol.dispose]: () => subscription[Symbol.dispose]() };
}

async function openBelow(folder: string): Promise<string[]> {
  const targets = await Promise.all(
    (await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')),
  );
  return targets.filter((target) => target.startsWith(folder));
}

async function seedProjects(database: Awaited<ReturnType<typeof openSqlite>>): Promise<void> {
  const found = await database.read.selectFrom('projects').select('id').executeTakeFirst();
  if (found !== undefined) return;
  const rest = {
    kind: 'proxy',
    public: 1,
    reference_mode: 'sparse',
    is_default: 0,
    owner: 'admin',
    declared: 0,
    settings: '{}',
    created_at: 0,
    updated_at: 0,
  } as const;
  await database.write((transaction) =>
    transaction
      .insertInto('projects')
      .values(['docker.io', 'ghcr.io'].map((name) => ({ ...rest, name, upstream_host: name })))
      .execute(),
  );
}
