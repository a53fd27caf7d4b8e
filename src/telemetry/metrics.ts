import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { type JobFacts, jobGauges } from './job-metrics.ts';
import { countFacts } from './metric-facts.ts';

/** Bytes. */
export interface StorageFacts {
  /** Of the filesystem. */
  readonly total: number;
  /** What this node may still use. */
  readonly free: number;
  /** Of the blobs that are here. */
  readonly used: number;
}

export interface MetricsOptions {
  readonly version: string;
  /** Asked at each scrape. */
  readonly storage: () => Promise<StorageFacts>;
  readonly jobs: () => Promise<JobFacts>;
}

/** Counts the facts that are published while it lives. Every name starts with `portolan_`. */
export interface Metrics extends Disposable {
  readonly contentType: string;
  /** All metrics in the text format of Prometheus. */
  text(): Promise<string>;
}

export function createMetrics({ version, storage, jobs }: MetricsOptions): Metrics {
  const registry = new Registry();
  const registers = [registry];
  // The process: memory, processor time, open files, garbage collection, and the lag of the event loop.
  collectDefaultMetrics({ register: registry, prefix: 'portolan_' });
  const info = new Gauge({
    name: 'portolan_info',
    help: 'Always 1; the version is its label.',
    labelNames: ['version'],
    registers,
  });
  info.set({ version }, 1);
  const measureStorage = storageGauges(registers);
  const measureJobs = jobGauges(registers);
  const listening = countFacts(registers);
  return {
    contentType: registry.contentType,
    async text() {
      measureStorage(await storage());
      measureJobs(await jobs());
      return registry.metrics();
    },
    [Symbol.dispose]() {
      listening[Symbol.dispose]();
      registry.clear();
    },
  };
}

function storageGauges(registers: Registry[]): (facts: StorageFacts) => void {
  const gauge = (name: string, help: string): Gauge => new Gauge({ name, help, registers });
  const total = gauge('portolan_storage_total_bytes', 'Size of the filesystem that has the blobs.');
  const free = gauge('portolan_storage_free_bytes', 'What this node may still use of it.');
  const used = gauge('portolan_storage_used_bytes', 'Bytes of the blobs that are here.');
  return (facts) => {
    total.set(facts.total);
    free.set(facts.free);
    used.set(facts.used);
  };
}
