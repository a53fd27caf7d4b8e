import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { stringify } from 'yaml';
import { z } from 'zod';
import { end, launch, portolan, type Ran } from '../support/portolan.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { until } from '../support/until.ts';
import { startUpstream, type Upstream } from '../support/upstream.ts';

describe('portolan replicate', { timeout: 300_000 }, () => {
  it('copies what is named from one registry to another, and nothing again', async () => {
    await using world = await openWorld();
    const { from, to } = world;
    const { manifest } = from.addImage('library/app', 'v1', [Buffer.from('one')]);
    from.addImage('library/app', 'v2-debug', [Buffer.from('two')]);
    from.addImage('library/web', 'v1', [Buffer.from('web')]);
    from.addImage('other/app', 'v1', [Buffer.from('other')]);
    const words = [
      '--repositories',
      'library/*',
      '--tags',
      'v1',
      'v2*',
      '--exclude-tags',
      '*-debug',
    ];

    const ran = await world.replicate([...words, '--namespace', 'copies']);

    assert.equal(ran.code, 0, ran.stderr);
    assert.match(ran.stdout, /^library\/app:v1: copied$/m);
    assert.match(ran.stdout, /^Execution 1 of replicate succeeded: /m);
    assert.equal(to.tagged('copies/library/app', 'v1'), manifest.digest);
    assert.deepEqual([...to.held.keys()].toSorted(), ['copies/library/app', 'copies/library/web']);
    assert.equal(to.tagged('copies/library/app', 'v2-debug'), undefined);
    const before = to.requests.length;
    assert.equal((await world.replicate([...words, '--namespace', 'copies'])).code, 0);
    const methods = new Set(to.requests.slice(before).map(({ method }) => method));
    assert.ok(!methods.has('PUT') && !methods.has('POST'), [...methods].join(' '));
    assert.deepEqual(await readdir(world.temporary), []);
  });

  it('says what it would do, and does nothing', async () => {
    await using world = await openWorld();
    world.from.addImage('library/app', 'v1', [Buffer.from('one')]);

    const ran = await world.replicate(['library/app', '--dry-run']);

    assert.equal(ran.code, 0, ran.stderr);
    assert.match(ran.stdout, /^copy {4}library\/app:v1 to 127\.0\.0\.1:\d+\/library\/app, \d+ B$/m);
    assert.match(ran.stdout, /^Would copy 1 /m);
    assert.equal(world.to.held.size, 0);
  });

  it('takes rules as a policy has them, and endpoints of a configuration', async () => {
    await using world = await openWorld();
    for (const tag of ['v1.0.0', 'v1.1.0', 'v2.0.0-rc']) {
      world.from.addImage('library/app', tag, [Buffer.from(tag)]);
    }
    world.from.requireBasic('reader', 'secret');
    const rules = join(world.folder, 'rules.yaml');
    await writeFile(
      rules,
      stringify({ keep: { newest: 1, by: 'semver' }, tags: { semver: '>=1' } }),
    );
    const config = join(world.folder, 'config.yaml');
    const credential = { username: 'reader', password: 'secret' };
    const lab = {
      adapter: 'distribution',
      url: String(world.from.url),
      allowPrivateAddress: true,
      credential,
    };
    await writeFile(config, stringify({ endpoints: { lab } }));

    const to = `${world.to.url.host}/team`;
    const words = ['--from', 'lab', '--to', to, '--config', config, '--rules', rules];
    const ran = await world.run(['replicate', ...words, '--repositories', 'library/app', '--json']);

    assert.equal(ran.code, 0, ran.stderr);
    const told = z
      .object({ status: z.string(), failures: z.array(z.unknown()) })
      .parse(JSON.parse(ran.stdout));
    assert.deepEqual(told, { status: 'succeeded', failures: [] });
    assert.deepEqual([...(world.to.held.get('team/library/app')?.keys() ?? [])], ['v1.1.0']);
  });

  it('logs in as docker does, by its files and its helpers', async () => {
    await using world = await openWorld();
    const { from, to, folder } = world;
    from.addImage('library/app', 'v1', [Buffer.from('one')]);
    from.requireBasic('reader', 'by-file');
    to.requireToken({ users: { writer: 'by-helper' } });
    const helper = join(folder, 'docker-credential-test');
    const answer = `{"Username":"writer","Secret":"by-helper"}`;
    await writeFile(helper, `#!/bin/sh\ngrep -q '^${to.url.host}$' && echo '${answer}'\n`);
    await chmod(helper, 0o755);
    await world.login({
      auths: { [from.url.host]: { auth: btoa('reader:by-file') } },
      credHelpers: { [to.url.host]: 'test' },
    });

    const ran = await world.replicate(['library/app'], {
      PATH: `${folder}:${process.env['PATH']}`,
    });

    assert.equal(ran.code, 0, ran.stdout + ran.stderr);
    assert.ok(to.tagged('library/app', 'v1'));
  });

  it('fails where something fails, says what, and copies the rest', async () => {
    await using world = await openWorld();
    const { layers } = world.from.addImage('library/app', 'broken', [Buffer.from('lost')]);
    world.from.remove('library/app', layers[0]?.digest ?? '');
    world.from.addImage('library/app', 'fine', [Buffer.from('fine')]);

    const ran = await world.replicate(['library/app']);

    assert.equal(ran.code, 1);
    assert.match(ran.stdout, /^sync-ref +library\/app:broken +permanent +BLOB_UNKNOWN/m);
    assert.match(ran.stderr, /^portolan: not all could be copied$/m);
    assert.ok(world.to.tagged('library/app', 'fine'));
    assert.equal(world.to.tagged('library/app', 'broken'), undefined);
  });

  it('says of a dry run that fails that not all could be looked at', async () => {
    await using world = await openWorld();
    world.from.addImage('library/app', 'v1', [Buffer.from('one')]);
    using _ = world.from.behave({ path: /\/manifests\// }, { status: 403 });

    const ran = await world.replicate(['library/app', '--dry-run']);

    assert.deepEqual([ran.code, ran.stderr], [1, 'portolan: not all could be looked at\n']);
  });

  it('ends at a signal in the middle of a blob, with no tag at the other side', async () => {
    await using world = await openWorld();
    const { from, to } = world;
    from.addImage('library/app', 'v1', [Buffer.alloc(4 * 2 ** 20, 1)]);
    using _ = from.behave({ path: /\/blobs\// }, { stallAfter: 2 ** 20 });
    const words = world.words(['library/app']);
    const running = launch(['replicate', ...words], { env: world.env });
    await until(() => from.sentBytes({ path: /\/blobs\// }) >= 2 ** 20, { withinMs: 20_000 });

    await end(running, 'SIGINT');

    assert.equal(running.exitCode, 1);
    assert.equal(to.tagged('library/app', 'v1'), undefined);
    assert.deepEqual(await readdir(world.temporary), []);
  });

  it('ends in silence where nobody reads to the end, and leaves nothing behind', async () => {
    await using world = await openWorld();
    world.from.addImage('library/app', 'v1', [Buffer.from('one')]);
    const running = launch(['replicate', ...world.words(['library/app'])], { env: world.env });
    const stderr = text(running.stderr);

    running.stdout.destroy();
    const [code] = await once(running, 'close');

    assert.deepEqual([code, await stderr], [0, '']);
    assert.ok(world.to.tagged('library/app', 'v1'));
    assert.deepEqual(await readdir(world.temporary), []);
  });

  it('stops where nobody sees its progress any more', async () => {
    await using world = await openWorld();
    const { from, to } = world;
    from.addImage('library/app', 'v1', [Buffer.alloc(4 * 2 ** 20, 1)]);
    using _ = from.behave({ path: /\/blobs\// }, { stallAfter: 2 ** 20 });
    const running = launch(['replicate', ...world.words(['library/app'])], { env: world.env });

    running.stderr.destroy();
    const [stdout, [code]] = await Promise.all([text(running.stdout), once(running, 'close')]);

    assert.equal(code, 1);
    assert.match(stdout, /^Execution 1 of replicate stopped: /m);
    assert.equal(to.tagged('library/app', 'v1'), undefined);
    assert.deepEqual(await readdir(world.temporary), []);
  });

  it('refuses rules about what its other words say, rather than leave them out', async () => {
    await using world = await openWorld();
    const file = join(world.folder, 'rules.yaml');
    const rows = [
      [
        'source: elsewhere\ndestinations: [{ endpoint: x, namespace: y }]\n',
        'source, destinations',
      ],
      ['trigger: manual\n', 'trigger'],
      ['enabled: false\n', 'enabled'],
    ] as const;
    for (const [rules, said] of rows) {
      await writeFile(file, rules);

      const { code, stderr } = await world.replicate(['library/app', '--rules', file]);

      assert.equal(code, 2, stderr);
      assert.ok(stderr.startsWith(`portolan: ${file} says ${said}: --from and --to say`), stderr);
    }
    await writeFile(file, '- library/app\n');
    const none = await world.replicate(['--rules', file]);
    assert.match(none.stderr, /rules\.yaml has no rules/);
  });

  it('refuses what it cannot do before it begins', async () => {
    await using world = await openWorld();
    const rows = [
      [['replicate', '--from', 'a'], /replicate needs --from and --to/],
      [['replicate', ...world.ends], /replicate needs --repositories/],
      [['replicate', ...world.ends, 'app', '--semver', 'abc'], /tags\.semver/],
      [['replicate', '--from', 'local', '--to', 'x', 'app'], /local means nothing here/],
      [['replicate', '--from', 'x/y', '--to', 'x', 'app'], /--from is a registry/],
      [['replicate', '--from', 'http://u:p@x', '--to', 'x', 'app'], /a registry is/],
      [['replicate', ...world.ends, '--tag', 'v1', 'app'], /Unknown option '--tag'/],
    ] as const;
    for (const [words, why] of rows) {
      const { code, stderr } = await world.run(words);
      assert.equal(code, 2, words.join(' '));
      assert.match(stderr, why);
    }
  });
});

interface World extends AsyncDisposable {
  readonly folder: string;
  /** For what the command keeps while it runs. */
  readonly temporary: string;
  readonly from: Upstream;
  readonly to: Upstream;
  readonly env: Readonly<Record<string, string>>;
  readonly ends: readonly string[];
  words(words: readonly string[]): readonly string[];
  run(words: readonly string[]): Promise<Ran>;
  replicate(words: readonly string[], env?: Readonly<Record<string, string>>): Promise<Ran>;
  login(logins: object): Promise<void>;
}

async function openWorld(): Promise<World> {
  await using opened = new AsyncDisposableStack();
  const { path: folder } = opened.use(await temporaryDirectory());
  const from = opened.use(await startUpstream());
  const to = opened.use(await startUpstream());
  const temporary = join(folder, 'temporary');
  await mkdir(temporary);
  const env = { HOME: folder, TMPDIR: temporary };
  const ends = ['--from', from.url.host, '--to', String(to.url)];
  const resources = opened.move();
  return {
    folder,
    temporary,
    from,
    to,
    env,
    ends,
    words: (words) => [...words, ...ends],
    run: (words) => portolan(words, { env }),
    replicate: (words, more = {}) =>
      portolan(['replicate', ...words, ...ends], { env: { ...env, ...more } }),
    async login(logins) {
      await mkdir(join(folder, '.docker'));
      await writeFile(join(folder, '.docker/config.json'), JSON.stringify(logins));
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}
