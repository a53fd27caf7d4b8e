import { randomBytes } from 'node:crypto';
import { type Contestant, pushImageOf } from './contestants.ts';
import type { Ends, Work } from './copiers.ts';
import { FAR_ADDRESS, type LongLink, RATE_MBIT } from './long-link.ts';
import { MIB } from './measure.ts';

export interface SizedWork extends Work {
  readonly bytes: number;
  readonly title: string;
}

/** As the ends of the link are called from here. */
export function endsOf(from: Contestant, to: Contestant): Ends {
  return { from: overLongLink(from), to: overLongLink(to) };
}

function overLongLink({ url }: Contestant): string {
  return `${FAR_ADDRESS}:${new URL(url).port}`;
}

/**
 * Of what the link could have carried meanwhile, headers of its packets included. Beside it, on standard error, for how long
 * the link was not run: a machine that stands still makes shares spread.
 */
export async function shareOf(
  { bytes, title }: SizedWork,
  link: LongLink,
  copy: () => Promise<void>,
): Promise<number> {
  const startedAt = performance.now();
  const stoodStillBefore = link.stoodStill();
  await copy();
  const seconds = (performance.now() - startedAt) / 1000;
  const stoodStill = link.stoodStill() - stoodStillBefore;
  const share = (bytes * 8) / (RATE_MBIT * 1e6 * seconds);
  process.stderr.write(
    `${title}: ${share.toFixed(3)} of the link in ${seconds.toFixed(1)} s, for ${stoodStill.toFixed(2)} s of which it was not run\n`,
  );
  return share;
}

/** One image, whose layer is all of it. */
export async function large(far: Contestant, mib: number): Promise<SizedWork> {
  const repository = 'library/large';
  await pushImageOf(far.url, { repository, tag: 'latest', layer: randomBytes(mib * MIB) });
  const title = mib === 1024 ? 'one blob of 1 GiB' : `one blob of ${mib} MiB`;
  return { name: 'large', repositories: [repository], bytes: mib * MIB, title };
}
