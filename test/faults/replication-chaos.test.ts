import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { describe, it } from 'node:test';
import { closureHeld } from '../interop/support/held.ts';
import { policiesOf } from '../interop/support/policies.ts';
import { run, until } from '../interop/support/processes.ts';
import { digestAt } from '../interop/support/wire.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { FAULTS } from './support/chaos-faults.ts';
import {
  type ChaosWorld,
  DESTINATIONS,
  makePolicy,
  type Place,
  pushTo,
  resume,
  SOURCES,
  startChaosWorld,
} from './support/chaos-world.ts';
import { imageOf, randomFrom, type TestImage } from './support/content.ts';
import { rounds, seed } from './support/form.ts';

/** Set where this runs in a network namespace of its own, in which it may lose packets. */
const INSIDE = process.env['PORTOLAN_CHAOS_INSIDE'] !== undefined;
const MIB = 1 << 20;
const BYTES_PER_SECOND = 4 * MIB;
const WITHIN_MS = 300_000;
/** What is larger goes to a registry by chunks of so much, in a session that goes on after a break where the registry lets it. */
const CHUNK_BYTES = 32 * MIB;
/** What may go twice for each break. A fill of this node notes once a second what it has, and the line may be ahead of it. */
const LOST: Readonly<Record<(typeof DESTINATIONS)[number], number>> = {
  local: 1.25 * BYTES_PER_SECOND,
  portolan: CHUNK_BYTES,
  distribution: CHUNK_BYTES,
  'distribution-3': CHUNK_BYTES,
};
/** Registries that did not answer are left alone for half a minute and longer, which the short form has not. */
const IS_PATIENT = rounds({ short: 0, long: 1 }) === 1;

describe('replication while everything around it breaks', { timeout: 14_400_000 }, () => {
  if (INSIDE) it('ends, whole or with a reason, and sends little twice', chaos);
  else it('holds, in a network of its own', inNamespace);
});

async function inNamespace(test: { diagnostic(line: string): void }): Promise<void> {
  const inside = 'ip link set lo up && exec "$0" --test --test-reporter=tap "$1"';
  const { code, stdout, stderr } = await run(
    'unshare',
    ['--net', 'sh', '-c', inside, process.execPath, import.meta.filename],
    {
      env: { ...environment(), PORTOLAN_CHAOS_INSIDE: 'yes', PORTOLAN_SEED: String(seed) },
      timeoutMs: 14_400_000,
    },
  );
  assert.equal(code, 0, `seed ${seed}\n${stdout}\n${stderr}`);
  for (const [line] of stdout.matchAll(/^ *# .*$/gm)) test.diagnostic(line.trim().slice(2));
}

function environment(): Record<string, string> {
  const { NODE_TEST_CONTEXT: _, ...kept } = process.env;
  return Object.fromEntries(Object.entries(kept).map(([name, value]) => [name, value ?? '']));
}

async function chaos(test: { diagnostic(line: string): void }): Promise<void> {
  await using directory = await temporaryDirectory();
  await using world = await startChaosWorld(directory.path);
  const random = randomFrom(seed);
  const names = Object.keys(FAULTS);
  test.diagnostic(`seed ${seed}`);
  for (let round = 0; round < rounds({ short: 10, long: 100 }); round++) {
    const from = SOURCES[Math.floor(random() * SOURCES.length)] ?? assert.fail();
    const to = DESTINATIONS[Math.floor(random() * DESTINATIONS.length)] ?? assert.fail();
    const faults = [names[round % names.length] ?? assert.fail()];
    if (random() < rounds({ short: 0, long: 0.4 }))
      faults.push(names[Math.floor(random() * names.length)] ?? assert.fail());
    const report = await oneRound(world, { round, from, to, faults, random });
    test.diagnostic(report);
  }
}

interface Round {
  readonly round: number;
  readonly from: (typeof SOURCES)[number];
  readonly to: (typeof DESTINATIONS)[number];
  readonly faults: readonly string[];
  readonly random: () => number;
}

async function oneRound(world: ChaosWorld, asked: Round): Promise<string> {
  const { round, from, to, faults, random } = asked;
  const source = world.sources[from];
  const destination = world.destinations[to];
  const link = destination.link ?? source.link ?? assert.fail();
  const repository = `chaos/r${round}`;
  const image = imageOf(`${seed} ${round}`, [
    // One registry that resumes uploads gets what is longer than a chunk.
    to === 'distribution-3'
      ? CHUNK_BYTES + Math.ceil(random() * 8 * MIB)
      : Math.ceil(random() * 8 * MIB),
    Math.ceil(random() * 3 * MIB),
    Math.ceil(random() * 100_000),
  ]);
  const missing = image.blobs.reduce((sum, { length }) => sum + length, 0);
  const largest = Math.max(...image.blobs.map(({ length }) => length));
  await pushTo(source, { repository, tag: 'v1' }, image);
  for (const each of [source.link, destination.link]) {
    if (each !== undefined) each.bytesPerSecond = BYTES_PER_SECOND;
  }
  link.countAnew();
  const began = performance.now();
  const start = await makePolicy(world, `round-${round}`, {
    source: from,
    destinations: [{ endpoint: to, namespace: 'copies' }],
    repositories: [repository],
  });
  const execution = await start();
  for (const fault of faults) {
    const some = link.seen.bytes + random() * (missing - link.seen.bytes);
    await until(() => link.seen.bytes >= some, 5_000);
    await FAULTS[fault]?.({ world, source, destination, random });
  }
  if (!IS_PATIENT) await resume(world, [from, to]);
  const what = `round ${round}, ${faults.join(' and ')}, ${from} to ${to}`;
  const status = await endOf(world, execution, what).catch((error: unknown) => {
    throw new Error(`${what}\n${lastWordsOf({ source, destination, node: world.node })}`, {
      cause: error,
    });
  });
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  if (status === 'Failed') assert.equal(await endOf(world, await start(), what), 'Succeed', what);
  await assertWhole(destination, `copies/${repository}`, image);
  const { bytes, breaks, refused } = link.seen;
  const said = `${what}: ${status} in ${seconds} s, ${bytes} bytes for ${missing}, ${breaks} breaks, ${refused} refused`;
  assert.ok(bytes <= 1.05 * missing + breaks * Math.min(largest, LOST[to]), said);
  return said;
}

/** Of those that had part in it. */
function lastWordsOf(parts: Readonly<Record<string, Place | ChaosWorld['node']>>): string {
  const words = Object.entries(parts).map(([name, part]) => {
    const process = 'registry' in part ? part.registry.now : part.now;
    const state = existsSync(`/proc/${process.pid}`) ? 'alive' : 'gone';
    return `${name} (${state}): ${process.log().slice(-3000)}`;
  });
  return words.join('\n');
}

/** Of an execution that ends: `Failed` with a reason. */
async function endOf(
  { node }: ChaosWorld,
  execution: number,
  what: string,
): Promise<'Succeed' | 'Failed'> {
  const policies = policiesOf(node.now);
  let status: string | undefined;
  await until(async () => {
    status = await policies.outcome(execution);
    return status !== undefined;
  }, WITHIN_MS);
  const log = await policies.logOf(execution);
  if (status === 'Succeed') return status;
  assert.equal(status, 'Failed', `${what} ends\n${log}`);
  assert.match(log, /failed/, `${what} says why`);
  return 'Failed';
}

async function assertWhole(
  { registry, login }: ChaosWorld['destinations']['local'],
  repository: string,
  { digest, blobs }: TestImage,
): Promise<void> {
  assert.equal(await digestAt(registry.url, repository, 'v1', login), digest);
  const held = await closureHeld({ url: registry.url, repository, login }, [digest]);
  assert.equal(held.blobs.size, blobs.length);
}
