import assert from 'node:assert/strict';
import { channel } from 'node:diagnostics_channel';
import { describe, it } from 'node:test';
import { factChannel } from '../../src/telemetry/channel.ts';

describe('a channel of facts', () => {
  it('brings each fact to every listener before publishing returns', () => {
    const counted = factChannel<{ readonly count: number }>('test.counted');
    const heard: number[] = [];
    using listening = new DisposableStack();
    listening.use(counted.subscribe((fact) => heard.push(fact.count)));
    listening.use(counted.subscribe((fact) => heard.push(fact.count * 10)));

    counted.publish({ count: 1 });

    assert.deepEqual(heard, [1, 10]);
  });

  it('says whether anybody listens, and forgets a listener whose handle is disposed', () => {
    const counted = factChannel<{ readonly count: number }>('test.disposed');
    const heard: number[] = [];
    assert.equal(counted.hasSubscribers, false);
    const listening = counted.subscribe((fact) => heard.push(fact.count));
    assert.equal(counted.hasSubscribers, true);
    listening[Symbol.dispose]();

    counted.publish({ count: 1 });

    assert.equal(counted.hasSubscribers, false);
    assert.deepEqual(heard, []);
  });

  it('can be heard by name, from outside', () => {
    const counted = factChannel<{ readonly count: number }>('test.named');
    const heard: unknown[] = [];
    const listener = (message: unknown): void => void heard.push(message);
    channel('test.named').subscribe(listener);

    counted.publish({ count: 7 });
    channel('test.named').unsubscribe(listener);

    assert.deepEqual(heard, [{ count: 7 }]);
  });
});
