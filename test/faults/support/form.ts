/** `npm run faults` is the short form, `npm run faults -- --full` the long one. */
const isLong = process.env['PORTOLAN_TEST_FORM'] === 'long';

export function rounds({ short, long }: { short: number; long: number }): number {
  return isLong ? long : short;
}

/** Printed by every test that draws from it; given back in `PORTOLAN_SEED` it makes the same draws. */
export const seed = Number(process.env['PORTOLAN_SEED'] ?? Date.now() % 1_000_000);
