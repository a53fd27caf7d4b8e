import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { digestOf } from '../../src/oci/digest.ts';
import { RemotePushes } from '../../src/replication/remote-pushes.ts';

const signal = AbortSignal.timeout(20_000);
const ENDS = { source: 'from', endpoint: 'to', policy: 1 };

const passageTo = (repository: string, content = 'layer') => ({
  ...ENDS,
  from: repository,
  repository,
  digest: digestOf(Buffer.from(content)),
});

const mounted = () => Promise.resolve('mounted' as const);
const copied = () => Promise.resolve('copied' as const);

describe('pushes of one blob to repositories of one project', () => {
  const names = ['team/one', 'team/two', 'team/three', 'team/four'];

  it('that begin at once are one, and mounts from where it went', async () => {
    const pushes = new RemotePushes();
    const holders: (string | undefined)[] = [];

    await Promise.all(
      names.map((name) =>
        pushes.once(
          passageTo(name),
          (_, holder) => {
            holders.push(holder);
            return holder === undefined ? copied() : mounted();
          },
          { signal },
        ),
      ),
    );

    assert.equal(holders.length, 4);
    assert.equal(holders.filter((holder) => holder === undefined).length, 1);
  });

  it('go one by one until one of them arrives', async () => {
    const pushes = new RemotePushes();
    let [running, most, sent] = [0, 0, 0];
    const push = async (_: AbortSignal, holder: string | undefined) => {
      if (holder !== undefined) return mounted();
      sent += 1;
      const isFirst = sent === 1;
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
      if (isFirst) throw new Error('the line broke');
      return copied();
    };

    const all = names.map((name) => pushes.once(passageTo(name), push, { signal }));
    const outcomes = await Promise.allSettled(all);

    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['rejected', 'fulfilled', 'fulfilled', 'fulfilled'],
    );
    assert.deepEqual([most, sent], [1, 2]);
  });

  it('stop waiting when nobody wants them any more', async () => {
    const pushes = new RemotePushes();
    const { promise: allowed, resolve: allow } = Promise.withResolvers<'copied'>();
    const first = pushes.once(passageTo('team/one'), () => allowed, { signal });
    const leaving = new AbortController();
    const second = pushes.once(passageTo('team/two'), copied, { signal: leaving.signal });

    leaving.abort(new Error('stopped'));

    await assert.rejects(second, { message: 'stopped' });
    allow('copied');
    assert.equal(await first, 'copied');
  });
});

describe('a project whose registry mounts nothing', () => {
  it('is asked for three mounts, and no other project is the worse for it', async () => {
    const pushes = new RemotePushes();
    const holders: (string | undefined)[] = [];
    const push = (_: AbortSignal, holder: string | undefined) => {
      holders.push(holder);
      return copied();
    };

    for (const name of ['team/1', 'team/2', 'team/3', 'team/4', 'team/5', 'team/6']) {
      await pushes.once(passageTo(name), push, { signal });
    }
    for (const name of ['other/1', 'other/2']) {
      await pushes.once(passageTo(name), push, { signal });
    }

    const [none] = [undefined];
    assert.deepEqual(holders, [none, 'team/1', 'team/2', 'team/3', none, none, none, 'other/1']);
  });
});
