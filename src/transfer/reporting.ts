import { maintenanceFailed } from '../telemetry/channels.ts';

/** For work whose failure must not take the fill's bytes from those who read them. */
export async function reporting(work: string, run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    maintenanceFailed.publish({ work, error });
  }
}
