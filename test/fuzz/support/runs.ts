import { assert as check, type IAsyncProperty } from 'fast-check';

/**
 * Inputs over all the tests of this folder, a sequence counting as one. `PORTOLAN_FUZZ_RUNS=100000` is the long form,
 * which takes an hour: run it without a timeout for each test.
 */
const ALL_RUNS = Number(process.env['PORTOLAN_FUZZ_RUNS'] ?? 200);
/** The one that fast-check printed with a failure, to see it again. */
const SEED = process.env['PORTOLAN_FUZZ_SEED'];

/** Tries the property on its share of all runs. Rejects with the smallest input that it does not hold for, and the seed. */
export async function holds<Ts>(property: IAsyncProperty<Ts>, share: number): Promise<void> {
  const numRuns = Math.max(1, Math.round(ALL_RUNS * share));
  await check(property, {
    numRuns,
    includeErrorInReport: true,
    ...(SEED === undefined ? {} : { seed: Number(SEED) }),
  });
}
