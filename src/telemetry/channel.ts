import { channel as diagnosticsChannel } from 'node:diagnostics_channel';

/**
 * A named stream of facts of one shape. Publishing costs nothing while nobody listens, if the publisher asks first:
 * `if (fillStarted.hasSubscribers) fillStarted.publish({ … })`.
 */
export interface FactChannel<Fact extends object> {
  readonly name: string;
  readonly hasSubscribers: boolean;
  /** Runs every subscriber before it returns. A subscriber that throws does not reach the publisher: it ends the process. */
  publish(fact: Fact): void;
  /** Hears every later fact until the returned handle is disposed. */
  subscribe(listener: (fact: Fact) => void): Disposable;
}

/** One per fact, in `channels.ts`; profilers and the like find it in `node:diagnostics_channel` by name. */
export function factChannel<Fact extends object>(name: string): FactChannel<Fact> {
  const channel = diagnosticsChannel(name);
  // The name is this channel's alone, so whatever comes by it went in by `publish`.
  const isFact = (_message: unknown, from: string | symbol): _message is Fact => from === name;
  return {
    name,
    get hasSubscribers() {
      return channel.hasSubscribers;
    },
    publish(fact) {
      channel.publish(fact);
    },
    subscribe(listener) {
      const onMessage = (message: unknown, from: string | symbol): void => {
        if (isFact(message, from)) listener(message);
      };
      channel.subscribe(onMessage);
      return {
        [Symbol.dispose]() {
          channel.unsubscribe(onMessage);
        },
      };
    },
  };
}
