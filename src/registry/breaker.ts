import { circuitChanged } from '../telemetry/channels.ts';
import { AddressRefused } from './address-guard.ts';
import { UpstreamUnavailable } from './errors.ts';

/** One request's way through a circuit; the first thing said of it counts. */
export interface Passage {
  /** The host answered, whatever it answered below 500. */
  succeeded(): void;
  /** The host could not be reached, said nothing in time, or answered 5xx: `why` is told to those who are not let through. */
  failed(why: unknown): void;
  /** The request ended for reasons of ours. */
  abandoned(): void;
}

/** A host without one is well: only trouble takes memory. */
interface Circuit {
  state: 'closed' | 'open' | 'half-open';
  /** In a row. */
  failures: number;
  openUntil: number;
  /** Of the last failure. */
  why: unknown;
}

/**
 * Spares a host that is down, and everybody who would wait for it: after so many failures in a row its circuit is open
 * and requests fail at once; after a time one request may try, and closes it or opens it again.
 */
export class Breakers {
  /** By origin: another port or scheme is another server. */
  readonly #circuits = new Map<string, Circuit>();
  readonly #options: { readonly failures: number; readonly openMs: number };
  readonly #now: () => number;

  constructor(options: { readonly failures: number; readonly openMs: number }, now: () => number) {
    this.#options = options;
    this.#now = now;
  }

  /** @throws UpstreamUnavailable circuit-open, because of the last failure */
  enter(url: URL): Passage {
    const circuit = this.#circuits.get(url.origin);
    const isOpen = circuit?.state === 'open' && this.#now() < circuit.openUntil;
    if (isOpen || circuit?.state === 'half-open') {
      throw new UpstreamUnavailable(url.host, 'circuit-open', { cause: circuit.why });
    }
    const isProbe = circuit?.state === 'open';
    if (isProbe) change(circuit, url, 'half-open');

    let isDecided = false;
    const once =
      (decide: (why?: unknown) => void) =>
      (why?: unknown): void => {
        if (isDecided) return;
        isDecided = true;
        decide(why);
      };
    return {
      succeeded: once(() => this.#succeeded(url)),
      failed: once((why) => this.#failed(url, why, isProbe && this.#isProbed(url, circuit))),
      abandoned: once(() => {
        // The next request may try at once.
        if (isProbe && this.#isProbed(url, circuit)) change(circuit, url, 'open');
      }),
    };
  }

  /** Not where a request that began before has closed it meanwhile. */
  #isProbed(url: URL, circuit: Circuit): boolean {
    return this.#circuits.get(url.origin) === circuit;
  }

  #succeeded(url: URL): void {
    const circuit = this.#circuits.get(url.origin);
    if (circuit === undefined) return;
    this.#circuits.delete(url.origin);
    if (circuit.state !== 'closed') change(circuit, url, 'closed');
  }

  #failed(url: URL, why: unknown, isProbe: boolean): void {
    const circuit = this.#circuits.get(url.origin) ?? {
      state: 'closed',
      failures: 0,
      openUntil: 0,
      why,
    };
    this.#circuits.set(url.origin, circuit);
    circuit.failures += 1;
    circuit.why = why;
    // Requests that began before it opened may still fail: they say nothing new.
    if (!isProbe && (circuit.state !== 'closed' || circuit.failures < this.#options.failures))
      return;
    circuit.openUntil = this.#now() + this.#options.openMs;
    change(circuit, url, 'open');
  }
}

/** Tells a circuit what an attempt that failed says of its host. */
export function attemptFailed(passage: Passage, error: unknown, signal: AbortSignal): void {
  // The asker's own deadline says nothing: part of it went by in a queue. What a host may take has limits of its own.
  const isTrouble =
    !signal.aborted &&
    error instanceof UpstreamUnavailable &&
    !(error.cause instanceof AddressRefused);
  if (isTrouble) passage.failed(error);
  else passage.abandoned();
}

function change(circuit: Circuit, url: URL, state: Circuit['state']): void {
  circuit.state = state;
  if (circuitChanged.hasSubscribers) circuitChanged.publish({ host: url.host, state });
}
