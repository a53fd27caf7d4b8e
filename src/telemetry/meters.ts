import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { FactChannel } from './channel.ts';

/** Redirects name hosts that nobody configured, and policies are as many as people like; beyond so many they share one label. */
const MOST_LABELS = 200;
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60, 300];

/** Makes metrics and has them listen. */
export class Meters {
  readonly #registers: Registry[];
  readonly #listening: DisposableStack;

  constructor(registers: Registry[], listening: DisposableStack) {
    this.#registers = registers;
    this.#listening = listening;
  }

  counter<Label extends string>(
    name: string,
    help: string,
    labelNames: readonly Label[] = [],
  ): Counter<Label> {
    return new Counter({ name: `portolan_${name}`, help, labelNames, registers: this.#registers });
  }

  gauge<Label extends string>(
    name: string,
    help: string,
    labelNames: readonly Label[] = [],
  ): Gauge<Label> {
    return new Gauge({ name: `portolan_${name}`, help, labelNames, registers: this.#registers });
  }

  histogram<Label extends string>(
    name: string,
    help: string,
    labelNames: readonly Label[],
  ): Histogram<Label> {
    const registers = this.#registers;
    return new Histogram({
      name: `portolan_${name}`,
      help,
      labelNames,
      buckets: SECONDS,
      registers,
    });
  }

  on<Fact extends object>(channel: FactChannel<Fact>, listener: (fact: Fact) => void): void {
    this.#listening.use(channel.subscribe(listener));
  }
}

/** The label, or `other` once there are too many of them. */
export function bounded(): (label: string) => string {
  const known = new Set<string>();
  return (label) => {
    if (known.has(label)) return label;
    if (known.size >= MOST_LABELS) return 'other';
    known.add(label);
    return label;
  };
}
