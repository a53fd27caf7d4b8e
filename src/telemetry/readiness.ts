/** What says why the node is not ready; undefined while it is. Throwing is a reason too. */
export type ReadinessCheck = () => Promise<string | undefined> | string | undefined;

export interface Readiness {
  readonly isReady: boolean;
  /** By check: `ok`, or the reason. Nothing secret: anybody may ask. */
  readonly checks: Readonly<Record<string, string>>;
}

/** A check that says nothing for so long is a reason. */
const PATIENCE_MS = 2_000;

/** Asks all checks at once; never rejects. */
export async function readiness(
  checks: Readonly<Record<string, ReadinessCheck>>,
): Promise<Readiness> {
  const answers = await Promise.all(
    Object.entries(checks).map(async ([name, check]) => [name, await answerOf(check)] as const),
  );
  return {
    isReady: answers.every(([, answer]) => answer === 'ok'),
    checks: Object.fromEntries(answers),
  };
}

async function answerOf(check: ReadinessCheck): Promise<string> {
  const { promise: late, resolve } = Promise.withResolvers<string>();
  const timer = setTimeout(() => resolve(`no answer in ${PATIENCE_MS} ms`), PATIENCE_MS);
  try {
    const reason = await Promise.race([check(), late]);
    return reason ?? 'ok';
  } catch (error) {
    // Its message may name paths; the log has it.
    return `failed (${error instanceof Error ? error.name : 'unknown'})`;
  } finally {
    clearTimeout(timer);
  }
}
