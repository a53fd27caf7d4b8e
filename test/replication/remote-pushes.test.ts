import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { digestOf } from '../../src/oci/digest.ts';
import { type Mounting, type Pushed, RemotePushes } from '../../src/replication/remote-pushes.ts';

const signal = AbortSignal.timeout(20_000);
const ENDS = { source: 'from', endpoint: 'to', policy: 1 };

const NOT_WAITING = { signal, waits: false };

const passageTo = (repository: string, content = 'layer') => ({
  ...ENDS,
  from: repository,
  repository,
  digest: digestOf(Buffer.from(content)),
});

const mounted = (from = 'team/one') => Promise.resolve({ way: 'mounted', from } as const);
/** `isRefused`: after a mount that came to nothing. */
const copied = (isRefused = false) => Promise.resolve({ way: 'copied', isRefused } as const);

describe('pushes of one blob to repositories of one project', () => {
  const names = ['team/one', 'team/two', 'team/three', 'team/four'];

  it('that begin at once are one, and mounts from where it went', async () => {
    const pushes = new RemotePushes();
    const holders: (string | undefined)[] = [];

    await Promise.all(
      names.map((name) =>
        pushes.once(
          passageTo(name),
          (_, { holder }) => {
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
    const push = async (_: AbortSignal, { holder }: Mounting) => {
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
    const { promise: allowed, resolve: allow } = Promise.withResolvers<Pushed>();
    const first = pushes.once(passageTo('team/one'), () => allowed, { signal });
    const leaving = new AbortController();
    const second = pushes.once(passageTo('team/two'), () => copied(), { signal: leaving.signal });

    leaving.abort(new Error('stopped'));

    await assert.rejects(second, { message: 'stopped' });
    allow(await copied());
    assert.equal(await first, 'copied');
  });
});

describe('a push that is not to wait for another one', () => {
  it('says so while that is under way, and no more where it failed', async () => {
    const pushes = new RemotePushes();
    const { promise, reject } = Promise.withResolvers<Pushed>();
    const first = pushes.once(passageTo('team/one'), () => promise, { signal });
    const second = () => pushes.once(passageTo('team/two'), () => copied(), NOT_WAITING);

    assert.deepEqual([await second(), await second()], ['under way', 'under way']);

    reject(new Error('the line broke'));
    await assert.rejects(first, { message: 'the line broke' });
    assert.equal(await second(), 'copied');
  });

  it('goes to another project at once, and where another source has it', async () => {
    const pushes = new RemotePushes();
    const { promise, resolve } = Promise.withResolvers<Pushed>();
    const first = pushes.once(passageTo('team/one'), () => promise, { signal });
    const others = [passageTo('other/one'), { ...passageTo('team/two'), source: 'beside' }];

    const ways = await Promise.all(
      others.map((other) => pushes.once(other, () => copied(), NOT_WAITING)),
    );

    assert.deepEqual(ways, ['copied', 'copied']);
    resolve(await copied());
    assert.equal(await first, 'copied');
  });
});

describe('pushes within one registry', () => {
  it('wait for none of the others, since each is mounted from where it is copied', async () => {
    const pushes = new RemotePushes();
    const { promise, resolve } = Promise.withResolvers<Pushed>();
    let begun = 0;
    const push = () => {
      begun += 1;
      return promise;
    };
    const passages = ['team/one', 'team/two', 'team/three'].map((name) => passageTo(name));

    const all = passages.map((each) => pushes.once({ ...each, source: 'to' }, push, { signal }));

    assert.equal(begun, 3);
    resolve(await mounted('base/one'));
    assert.deepEqual(await Promise.all(all), ['mounted', 'mounted', 'mounted']);
  });
});

describe('a mount that the registry acknowledged', () => {
  it('makes no repository one to be mounted from, in which nobody has seen the blob', async () => {
    const pushes = new RemotePushes();
    await pushes.once(passageTo('team/two'), () => mounted('team/one'), { signal });
    const holders: (string | undefined)[] = [];

    const push = (_: AbortSignal, { holder }: Mounting) => {
      holders.push(holder);
      return mounted();
    };
    await pushes.once(passageTo('team/three'), push, { signal });

    assert.deepEqual(holders, ['team/one']);
  });

  it('is not tried again where the blob is missing afterwards, and is where it never came', async () => {
    const pushes = new RemotePushes();
    const passage = passageTo('team/two');
    await pushes.once(passage, () => mounted(), { signal, missingAt: performance.now() });
    const mounts: boolean[] = [];
    const push = (_: AbortSignal, { mayMount }: Mounting) => {
      mounts.push(mayMount);
      return copied();
    };

    const missingAt = performance.now();
    const again = await pushes.once(passage, push, { signal, missingAt });
    await pushes.once(passageTo('team/three'), push, { signal, missingAt });

    assert.equal(again, 'copied');
    assert.deepEqual(mounts, [false, true]);
  });
});

describe('a project whose registry mounts nothing', () => {
  it('is asked for three mounts, and no other project is the worse for it', async () => {
    const pushes = new RemotePushes();
    const mounts: boolean[] = [];
    const push = (_: AbortSignal, { mayMount }: Mounting) => {
      mounts.push(mayMount);
      return copied(mayMount);
    };

    for (const name of ['team/1', 'team/2', 'team/3', 'team/4', 'team/5', 'other/1', 'other/2']) {
      await pushes.once(passageTo(name), push, { signal });
    }

    assert.deepEqual(mounts, [true, true, true, false, false, true, true]);
  });

  it('is taken for one that mounts while none was tried, and where one worked between two', async () => {
    const pushes = new RemotePushes();
    const ways = [copied(true), copied(true), mounted(), copied(true), copied(), copied(true)];

    const mounts: boolean[] = [];
    for (const [index, way] of ways.entries()) {
      const push = (_: AbortSignal, { mayMount }: Mounting) => {
        mounts.push(mayMount);
        return way;
      };
      await pushes.once(passageTo(`team/${index}`), push, { signal });
    }

    assert.ok(mounts.every((mayMount) => mayMount));
  });
});
