import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { createAccessTimes } from '../../src/catalog/access-times.ts';
import { createBlobs } from '../../src/catalog/blobs.ts';
import { createManifests } from '../../src/catalog/manifests.ts';
import { createProjects } from '../../src/catalog/projects.ts';
import { seedsFor } from '../../src/catalog/seeds.ts';
import { createUploads } from '../../src/catalog/uploads.ts';
import { isBeingCopied } from '../../src/database/data-folder.ts';
import { openDatabase } from '../../src/database/open-database.ts';
import { openFilesystem } from '../../src/storage/filesystem.ts';
import { arrive, type Content, contentOf, imageOf, keepBlob, push } from '../catalog/world.ts';
import { end, launch, portolan } from '../support/portolan.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { until } from '../support/until.ts';

const LOCAL = 'local/app';
const CACHED = 'docker.io/library/alpine';

describe('portolan backup', { timeout: 600_000 }, () => {
  it('makes a copy of data that is in use, from which a node can start', async () => {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, 'backup.tar');
    await using data = await openData(join(directory.path, 'data'));
    const { layer, image } = await pushImage(data);

    const ran = await portolan(['backup', file, '--data', data.folder]);

    assert.deepEqual(ran, {
      code: 0,
      stdout: `${file}: 2 blobs, ${layer.bytes.length + 2} bytes.\n`,
      stderr: '',
    });
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    await using restored = await openData(await untar(file, join(directory.path, 'restored')));
    const found = await restored.manifests.find(LOCAL, { kind: 'tag', tag: 'v1' });
    assert.equal(found?.digest, image.digest);
    await using reader = await restored.store.open(layer.digest);
    const bytes = Buffer.alloc(reader.size);
    await reader.read(bytes, 0, { signal: AbortSignal.timeout(1_000) });
    assert.deepEqual(bytes, layer.bytes);
  });

  it('leaves a cached blob out that made room meanwhile, and its rows', async () => {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, 'backup.tar');
    await using data = await openData(join(directory.path, 'data'));
    const { layer, image } = await pullImage(data);
    await data.store.remove(layer.digest);

    const { code, stdout } = await portolan(['backup', file, '--data', data.folder]);

    assert.equal(code, 0);
    assert.equal(stdout, `${file}: 1 blobs, 2 bytes; 1 cached blobs went away meanwhile.\n`);
    await using restored = await openData(await untar(file, join(directory.path, 'restored')));
    assert.equal(await restored.blobs.find(CACHED, layer.digest), undefined);
    const found = await restored.manifests.find(CACHED, { kind: 'digest', digest: image.digest });
    assert.equal(found?.complete, false);
    assert.equal(
      await restored.database.read
        .selectFrom('blobs')
        .select('digest')
        .where('digest', '=', layer.digest)
        .executeTakeFirst(),
      undefined,
    );
  });

  it('fails, and leaves what was there, when a blob is missing that somebody pushed', async () => {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, 'backup.tar');
    await writeFile(file, 'the backup of yesterday');
    await using data = await openData(join(directory.path, 'data'));
    const { layer } = await pushImage(data);
    await data.store.remove(layer.digest);

    const { code, stdout, stderr } = await portolan(['backup', file, '--data', data.folder]);

    assert.equal(code, 1);
    assert.equal(stdout, '');
    assert.match(stderr, new RegExp(`^portolan: ${layer.digest}, .* run it again\n$`));
    assert.equal(await readFile(file, 'utf8'), 'the backup of yesterday');
    assert.deepEqual((await readdir(directory.path)).toSorted(), ['backup.tar', 'data']);
  });

  it('has nothing of uploads that are not finished', async () => {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, 'backup.tar');
    await using data = await openData(join(directory.path, 'data'));
    await data.uploads.start(LOCAL, { caller: 'alice', algorithm: 'sha256' });

    await portolan(['backup', file, '--data', data.folder]);

    await using restored = await openData(await untar(file, join(directory.path, 'restored')));
    const { read } = restored.database;
    assert.deepEqual(await read.selectFrom('uploads').selectAll().execute(), []);
  });

  it('gives the feed of each node that starts from it an epoch of its own', async () => {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, 'backup.tar');
    await using data = await openData(join(directory.path, 'data'));

    await portolan(['backup', file, '--data', data.folder]);

    await using restored = await openData(await untar(file, join(directory.path, 'restored')));
    await using again = await openData(await untar(file, join(directory.path, 'again')));
    const epochs = await Promise.all([data, restored, again].map(epochOf));
    assert.ok(Number(epochs[0]) < Number(epochs[1]), String(epochs));
    assert.ok(Number(epochs[1]) < Number(epochs[2]), String(epochs));
  });

  it('says that there is no data, or no place for the file', async () => {
    await using directory = await temporaryDirectory();
    const nothing = join(directory.path, 'nothing');

    assert.deepEqual(await portolan(['backup', 'x.tar', '--data', nothing]), {
      code: 1,
      stdout: '',
      stderr: `portolan: there is no data in ${nothing}\n`,
    });
    await using data = await openData(join(directory.path, 'data'));
    const { code, stderr } = await portolan([
      'backup',
      join(directory.path, 'no-such-folder/x.tar'),
      '--data',
      data.folder,
    ]);
    assert.equal(code, 1);
    assert.match(
      stderr,
      /^portolan: ENOENT: no such file or directory, [^\n]*no-such-folder[^\n]*\n$/,
    );
  });
});

describe('a backup that takes long', { timeout: 600_000 }, () => {
  it('keeps the node from collecting what it has yet to read, however long it takes', async () => {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, 'backup.tar');
    await using data = await openData(join(directory.path, 'data'));
    const image = await pushImage(data);
    await using slow = await startSlowBackup(data, file, image.layer);

    await data.blobs.unlink(LOCAL, image.config.digest);
    assert.deepEqual(await data.blobs.collect(), { blobs: 0, bytes: 0 });
    assert.equal(await slow.goOn(), 0);

    await using restored = await openData(await untar(file, join(directory.path, 'restored')));
    assert.equal(await restored.store.size(image.config.digest), image.config.bytes.length);
    assert.notEqual(await restored.blobs.find(LOCAL, image.config.digest), undefined);
    assert.equal((await data.blobs.collect()).blobs, 1);
  });

  it('keeps the node from nothing once it is killed, nor where room is needed', async () => {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, 'backup.tar');
    await using data = await openData(join(directory.path, 'data'));
    const image = await pushImage(data);
    const other = contentOf('other');
    await keepBlob(data, LOCAL, other);
    await using slow = await startSlowBackup(data, file, image.layer);

    await data.blobs.unlink(LOCAL, other.digest);
    assert.equal((await data.blobs.collect({ graceMs: 0 })).blobs, 1);
    await data.blobs.unlink(LOCAL, image.config.digest);
    assert.equal((await data.blobs.collect()).blobs, 0);
    await slow[Symbol.asyncDispose]();

    assert.equal((await data.blobs.collect()).blobs, 1);
  });
});

/** The data of a node as the node has it open. */
async function openData(folder: string) {
  await using opened = new AsyncDisposableStack();
  const now = Date.now;
  const database = opened.use(await openDatabase(folder, { now }));
  const store = opened.use(await openFilesystem(folder));
  const accessTimes = opened.use(createAccessTimes({ database, now }));
  const registry = { name: 'docker.io', adapter: 'docker-hub', url: 'https://hub.example' };
  const projects = createProjects(database, { now, wellKnownHosts: [] });
  await projects.seed(seedsFor([registry]));
  const blobs = createBlobs({
    database,
    store,
    accessTimes,
    now,
    graceMs: 0,
    isBeingCopied: () => isBeingCopied(folder),
  });
  const resources = opened.move();
  return {
    folder,
    database,
    store,
    blobs,
    clock: { at: now() },
    manifests: createManifests({ database, now }),
    uploads: createUploads({ database, store, blobs, now }),
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

type Data = Awaited<ReturnType<typeof openData>>;

interface Image {
  readonly config: Content;
  readonly layer: Content;
  readonly image: Content;
}

async function pushImage(data: Data): Promise<Image> {
  const [config, layer] = [contentOf('{}'), contentOf('layer '.repeat(100_000))];
  await keepBlob(data, LOCAL, config);
  await keepBlob(data, LOCAL, layer);
  const image = imageOf(config, [layer]);
  await push(data, LOCAL, image, { tag: 'v1' });
  return { config, layer, image };
}

async function pullImage(data: Data): Promise<Image> {
  const [config, layer] = [contentOf('{}'), contentOf('layer '.repeat(100_000))];
  const image = imageOf(config, [layer]);
  await arrive(data, CACHED, image, 'latest');
  await keepBlob(data, CACHED, config, 'cache');
  await keepBlob(data, CACHED, layer, 'cache');
  return { config, layer, image };
}

/** Has copied the metadata, and waits at `blob`, the first one that it reads, until it may go on or is disposed. */
async function startSlowBackup(data: Data, file: string, blob: Content) {
  const { read } = data.database;
  const first = await read.selectFrom('blobs').select('digest').orderBy('digest').execute();
  assert.equal(first[0]?.digest, blob.digest);
  const path = join(data.folder, data.store.pathOf?.(blob.digest) ?? '');
  await rm(path);
  // Whoever opens it to read waits for somebody to open it to write.
  await promisify(execFile)('mkfifo', [path]);
  const child = launch(['backup', file, '--data', data.folder]);
  const closed = once(child, 'close');
  const folder = dirname(file);
  await until(
    async () => {
      const names = await readdir(folder, { recursive: true });
      return names.some((name) => name.endsWith(`/${basename(file)}`));
    },
    { withinMs: 30_000 },
  );
  return {
    async goOn(): Promise<number | null> {
      await using _ = await open(path, 'r+');
      await closed;
      return child.exitCode;
    },
    [Symbol.asyncDispose]: () => end(child, 'SIGKILL'),
  };
}

async function epochOf({ database }: Data): Promise<number> {
  const { read } = database;
  return (await read.selectFrom('instance').select('feed_epoch').executeTakeFirstOrThrow())
    .feed_epoch;
}

async function untar(file: string, folder: string): Promise<string> {
  await mkdir(folder);
  await promisify(execFile)('tar', ['-xf', file, '-C', folder]);
  return folder;
}
