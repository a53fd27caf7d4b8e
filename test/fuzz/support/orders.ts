import type { Result, State, Step } from './contents-model.ts';

/** A step and what it was answered. */
export interface Answered {
  readonly step: Step;
  readonly outcome: string;
}

/**
 * The states after steps that ran at once, one for each order in which they can have been: none, when no order one after
 * the other explains the answers.
 */
export function statesAfter(
  states: readonly State[],
  answered: readonly Answered[],
  resultsOf: (step: Step, state: State) => readonly Result[],
): readonly State[] {
  const after = new Map<string, State>();
  const explore = (state: State, rest: readonly Answered[]): void => {
    if (rest.length === 0) after.set(keyOf(state), state);
    for (const next of rest) {
      for (const result of resultsOf(next.step, state)) {
        if (result.outcome !== next.outcome) continue;
        explore(
          result.state,
          rest.filter((other) => other !== next),
        );
      }
    }
  };
  for (const state of states) explore(state, answered);
  return [...after.values()];
}

function keyOf({ blobs, manifests, tags }: State): string {
  const pointers = [...tags].map(([tag, digest]) => `${tag} ${digest}`);
  return [[...blobs], [...manifests], pointers].map((keys) => keys.toSorted().join()).join('\n');
}
