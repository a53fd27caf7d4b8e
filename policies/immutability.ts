/** Which tags stay what they are: once pushed, nobody moves or deletes them. Rules are those of Harbor. */
import { z } from 'zod';
import { isDoublestar, matchesDoublestar } from './doublestar.ts';

/** Names that match, or those that do not. */
const Selector = z.strictObject({
  pattern: z.string().refine(isDoublestar, 'a doublestar pattern'),
  excludes: z.boolean(),
});

export const ImmutableRule = z.strictObject({
  /** Repositories, named without their project. */
  repositories: Selector,
  tags: Selector,
});
export type ImmutableRule = z.infer<typeof ImmutableRule>;

/** Whether some rule holds the tag. The repository is named without its project. */
export function isImmutable(
  { repository, tag }: { readonly repository: string; readonly tag: string },
  rules: readonly ImmutableRule[],
): boolean {
  return rules.some(
    ({ repositories, tags }) => selects(repositories, repository) && selects(tags, tag),
  );
}

function selects({ pattern, excludes }: z.infer<typeof Selector>, name: string): boolean {
  return matchesDoublestar(name, pattern) !== excludes;
}
