import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { z } from 'zod';
import {
  endpointAt,
  type ReplicatingNode,
  startReplicatingNode,
} from '../replication/support/nodes.ts';
import { push } from '../replication/support/push.ts';
import { end, launch, portolan, type Ran } from '../support/portolan.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { until } from '../support/until.ts';
import { startUpstream, type Upstream } from '../support/upstream.ts';

const PASSWORD = 'password-of-the-admin';
const RULES = {
  source: 'up',
  destinations: [{ endpoint: 'local', namespace: 'copies' }],
  repositories: ['library/app'],
  tags: ['v*'],
};

/** Commands start slowly on a busy machine. */
const WITHIN = { withinMs: 20_000 };

describe('portolan policies and executions', { timeout: 300_000 }, () => {
  it('show the policies of a running node, as a table, as configuration and as JSON', async () => {
    await using world = await openWorld();

    const listed = await world.run(['policies', 'list']);
    const shown = await world.run(['policies', 'show', 'nightly']);
    const json = await world.run(['policies', 'show', '1', '--json']);

    assert.equal(listed.code, 0, listed.stderr);
    const [header = '', row = ''] = listed.stdout.split('\n');
    assert.match(header, /^ID {2}NAME {5}FROM {2}TO {5}RUNS {5}ON {3}MADE BY$/);
    assert.match(row, /^1 {3}nightly {2}up {4}local {2}by hand {2}yes {2}file$/);
    assert.match(shown.stdout, /^# replication policy 1, of the configuration file/);
    assert.deepEqual(parse(shown.stdout), { nightly: RULES });
    const Policy = z.object({ name: z.string(), rules: z.unknown() });
    assert.deepEqual(Policy.parse(JSON.parse(json.stdout)), { name: 'nightly', rules: RULES });
  });

  it('start one and stay until it is over, and tell what it did', async () => {
    await using world = await openWorld();
    world.upstream.addImage('library/app', 'v1', [Buffer.from('one')]);

    const dry = await world.run(['policies', 'start', 'nightly', '--dry-run']);
    assert.equal(dry.code, 0, dry.stderr);
    assert.match(dry.stdout, /^copy {4}library\/app:v1 to local\/copies\/library\/app, \d+ B$/m);
    assert.match(dry.stdout, /^Would copy 1 \(\d+ B in 2 blobs\), skip 0, delete 0, fail at 0\.$/m);
    assert.deepEqual(await world.node.tags('copies/library/app'), []);

    const ran = await world.run(['policies', 'start', 'nightly', '--wait']);
    assert.equal(ran.code, 0, ran.stderr);
    assert.match(ran.stdout, /^Execution 2 of nightly succeeded: \d+ tasks, \d+ B in [\d.]+ s\.$/m);
    assert.deepEqual(await world.node.tags('copies/library/app'), ['v1']);

    const listed = await world.run(['executions', 'list', '--policy', 'nightly']);
    assert.match(listed.stdout, /^2 +nightly +succeeded +manual +admin/m);
    assert.match(listed.stdout, /^1 +nightly \(dry run\) +succeeded/m);
    const none = await world.run(['executions', 'list', '--status', 'failed', '--json']);
    assert.deepEqual(JSON.parse(none.stdout), []);
  });

  it('fail where what they wait for fails, say why, and do it again', async () => {
    await using world = await openWorld();
    const layer = Buffer.from('lost');
    const { layers } = world.upstream.addImage('library/app', 'v1', [layer]);
    world.upstream.remove('library/app', layers[0]?.digest ?? '');

    const failed = await world.run(['policies', 'start', 'nightly', '--wait']);

    assert.equal(failed.code, 1);
    assert.match(failed.stdout, /^sync-ref +library\/app:v1 +permanent +BLOB_UNKNOWN/m);
    assert.match(failed.stderr, /^portolan: execution 1 of nightly failed$/m);
    const shown = await world.run(['executions', 'show', '1', '--json']);
    const { failures } = z
      .object({ failures: z.array(z.object({ kind: z.string() })) })
      .parse(JSON.parse(shown.stdout));
    assert.deepEqual(failures, [{ kind: 'sync-ref' }]);
    world.upstream.addBlob('library/app', layer);
    const again = await world.run(['executions', 'retry', '1', '--wait']);
    assert.equal(again.code, 0, again.stderr);
    assert.deepEqual(await world.node.tags('copies/library/app'), ['v1']);
  });

  it('stop what runs, and a signal ends the waiting alone', async () => {
    await using world = await openWorld();
    world.upstream.addImage('library/app', 'v1', [Buffer.from('slow')]);
    using _ = world.upstream.behave({ path: /tags\/list/ }, { silent: true });
    const waiting = launch(world.words(['policies', 'start', 'nightly', '--wait']), {
      env: world.env,
    });
    await until(async () => (await world.statuses()).includes('running'), WITHIN);
    await end(waiting, 'SIGINT');
    assert.equal(waiting.exitCode, 1);
    assert.deepEqual(await world.statuses(), ['running']);

    const stopped = await world.run(['policies', 'stop', 'nightly']);

    assert.equal(stopped.stdout, 'Executions 1 of nightly stopped.\n');
    await until(async () => (await world.statuses()).includes('stopped'), WITHIN);
    const over = await world.run(['executions', 'stop', '1']);
    assert.deepEqual([over.code, over.stdout], [0, 'Execution 1 was over: stopped.\n']);
    const other = await world.run(['executions', 'stop', '9']);
    assert.deepEqual([other.code, other.stderr], [1, 'portolan: execution 9 not found\n']);
  });

  it('tell what a tag pointed to, and roll it back', async () => {
    await using world = await openWorld();
    const one = await push(world.node, 'copies/library/app', 'latest', { text: 'one' });
    const two = await push(world.node, 'copies/library/app', 'latest', { text: 'two' });

    const rolled = await world.run(['tags', 'rollback', 'copies/library/app:latest']);
    const history = await world.run(['tags', 'history', 'copies/library/app:latest', '--json']);

    assert.equal(
      rolled.stdout,
      `copies/library/app:latest points to ${one}, and no more to ${two}.\n`,
    );
    const moves = z.array(z.object({ digest: z.string() })).parse(JSON.parse(history.stdout));
    assert.deepEqual(
      moves.map(({ digest }) => digest),
      [one, two, one],
    );
    const never = ['tags', 'rollback', 'copies/library/app:never', '--to', one];
    assert.equal(
      (await world.run(never)).stderr,
      'portolan: copies/library/app:never was never there\n',
    );
  });

  it('take the password from a file or the environment, and say what is missing', async () => {
    await using world = await openWorld();
    const file = join(world.folder, 'password');
    await writeFile(file, `${PASSWORD}\n`);
    const words = ['policies', 'list', '--node', world.node.url];

    const fromFile = await portolan([...words, '--user', 'admin', '--password-file', file]);
    assert.equal(fromFile.code, 0, fromFile.stderr);
    const nobody = await portolan(words);
    assert.equal(nobody.code, 1);
    assert.match(nobody.stderr, /the node wants to know who asks/);
    const wrong = await portolan(words, { env: { PORTOLAN_PASSWORD: 'wrong' } });
    assert.equal(wrong.code, 1);
    const nowhere = await portolan(['policies', 'list', '--node', 'http://127.0.0.1:9']);
    assert.equal(nowhere.code, 1);
    assert.match(nowhere.stderr, /^portolan: http:\/\/127\.0\.0\.1:9 does not answer: .+\n$/);
  });

  for (const words of ['executions show abc', 'tags history foo']) {
    it(`refuse ${words} as a wrong command line`, async () => {
      const { code, stderr } = await portolan(words.split(' '));

      assert.equal(code, 2, stderr);
      assert.match(stderr, /is no id of an execution|is not of the form/);
    });
  }

  for (const body of ['<html>welcome</html>', '{"hello":"world"}', '']) {
    it(`say that what answers ${JSON.stringify(body)} is no node`, async () => {
      await using other = await startUpstream();
      other.serveApi(/^\/api\//, () => ({ status: 200, headers: {}, body: Buffer.from(body) }));
      const node = ['--node', other.url.origin];
      const isNone = `portolan: ${other.url.origin} answers, but is no Portolan node\n`;

      for (const words of ['policies list', 'executions show 1', 'tags history a/b:c']) {
        const { code, stderr } = await portolan([...words.split(' '), ...node]);
        assert.deepEqual([code, stderr], [1, isNone], words);
      }
      const { code, stderr } = await portolan(['import', 'harbor', other.url.origin]);
      assert.deepEqual([code, stderr], [1, isNone.replace('Portolan node', 'Harbor')]);
    });
  }
});

interface World extends AsyncDisposable {
  readonly folder: string;
  readonly upstream: Upstream;
  readonly node: ReplicatingNode;
  readonly env: Readonly<Record<string, string>>;
  words(words: readonly string[]): readonly string[];
  run(words: readonly string[]): Promise<Ran>;
  statuses(): Promise<readonly string[]>;
}

async function openWorld(): Promise<World> {
  await using opened = new AsyncDisposableStack();
  const { path: folder } = opened.use(await temporaryDirectory());
  const upstream = opened.use(await startUpstream());
  const node = opened.use(
    await startReplicatingNode(folder, 'node', {
      projects: { copies: {} },
      endpoints: { up: endpointAt(upstream.url) },
      policies: { replication: { nightly: RULES } },
    }),
  );
  const env = { PORTOLAN_PASSWORD: PASSWORD };
  const words = (given: readonly string[]) => [...given, '--node', node.url];
  const resources = opened.move();
  return {
    folder,
    upstream,
    node,
    env,
    words,
    run: (given) => portolan(words(given), { env }),
    async statuses() {
      const { body } = await node.send({ path: '/api/portolan/v1/replication/executions' });
      const listed = z.array(z.object({ status: z.string() })).parse(JSON.parse(body.toString()));
      return listed.map(({ status }) => status);
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}
