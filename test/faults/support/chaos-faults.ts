/** What comes to harm, and how. */
import { setTimeout as wait } from 'node:timers/promises';
import { must } from '../../interop/support/processes.ts';
import type { ChaosLink } from './chaos-link.ts';
import { type ChaosWorld, fillUp, type Place } from './chaos-world.ts';

export interface Harm {
  readonly world: ChaosWorld;
  readonly source: Place;
  readonly destination: Place;
  /** In [0, 1). */
  readonly random: () => number;
}

/** Each does its harm for a while, and takes it back. */
export const FAULTS: Readonly<Record<string, (harm: Harm) => Promise<void>>> = {
  'kill -9 of the node that copies': async ({ world, source, destination, random }) => {
    await world.node.kill();
    giveUp({ source, destination });
    await wait(random() * 500);
    await world.node.start();
  },
  'kill -9 of the source': async ({ source, random }) => {
    await source.registry.kill();
    await wait(random() * 1500);
    await source.registry.start();
  },
  'kill -9 of the destination': async ({ source, destination, random }) => {
    await destination.registry.kill();
    giveUp({ source, destination });
    await wait(random() * 1500);
    await destination.registry.start();
  },
  'a network that is cut': async ({ source, destination, random }) => {
    await cut({ source, destination }, 1000 + random() * 3000);
  },
  'a storm of 429': async ({ source, destination, random }) => {
    linkOf({ source, destination }).storm(1000 + random() * 1500);
  },
  'tokens that end in the middle of a blob': async ({ source, destination }) => {
    source.link?.expireTokens();
    destination.link?.expireTokens();
  },
  'a full disk at the destination': async ({ destination, random }) => {
    if (destination.disk === undefined) return;
    const makeRoom = await fillUp(destination.disk);
    await wait(1000 + random() * 2000);
    await makeRoom();
  },
  'a slow link': async ({ source, destination, random }) => {
    const link = linkOf({ source, destination });
    const before = link.bytesPerSecond;
    link.bytesPerSecond = 100 * 1024;
    await wait(1000 + random() * 2000);
    link.bytesPerSecond = before;
  },
};

type Ends = Pick<Harm, 'source' | 'destination'>;

/** What had reached the destination, and it had not kept. */
function giveUp(ends: Ends): void {
  linkOf(ends).giveUp(ends.destination.isKept);
}

/** To the destination, or to the source where the destination is the node that copies. */
function linkOf({ source, destination }: Ends): ChaosLink {
  const link = destination.link ?? source.link;
  if (link === undefined) throw new Error('nothing goes over a link');
  return link;
}

/** Packets to and from it get lost, without a word to anybody. Only in a network namespace of its own. */
async function cut(ends: Ends, milliseconds: number): Promise<void> {
  const { port } = linkOf(ends);
  const rules = ['--dport', '--sport'].map((side) => {
    return ['INPUT', '-p', 'tcp', side, String(port), '-j', 'DROP'];
  });
  for (const rule of rules) await must('iptables', ['-A', ...rule]);
  giveUp(ends);
  await wait(milliseconds);
  for (const rule of rules) await must('iptables', ['-D', ...rule]);
}
