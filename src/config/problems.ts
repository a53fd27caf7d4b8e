/** The configuration cannot be used. The message is for the operator as it is, one line for each problem. */
export class ConfigurationInvalid extends Error {
  override readonly name = 'ConfigurationInvalid';
  readonly problems: readonly string[];

  constructor(source: string, problems: readonly string[]) {
    const what = problems.length === 1 ? 'a problem' : `${problems.length} problems`;
    super(`${source} has ${what}:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
    this.problems = problems;
  }
}
