/** The command line is wrong; the message is for the operator as it is. */
export class UsageError extends Error {
  override readonly name = 'UsageError';

  constructor(problem: string) {
    super(`${problem}\nportolan --help tells what there is.`);
  }
}

/** Of what `parseArgs` throws: Node's own words, of which those after the first sentence are for programmers. */
export function usageErrorOf(error: unknown): UsageError {
  const [problem = ''] = error instanceof Error ? error.message.split(/\. |\n/, 1) : [];
  return new UsageError(problem);
}
