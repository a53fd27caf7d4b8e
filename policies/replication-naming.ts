/** Replication: what a repository is called at a destination. */
import { z } from 'zod';
import { isRepositoryName } from '../src/oci/reference.ts';

const PLACEHOLDER = /\{([^{}]*)\}/g;
const NAMED = ['repository', 'project', 'path', 'namespace', 'name', 'endpoint'];

/** Part of the operator's language: where a policy copies to. */
export const Destination = z
  .strictObject({
    endpoint: z
      .string()
      .min(1)
      .meta({ description: 'Name of an endpoint, or `local`: this node.', examples: ['local'] }),
    namespace: z
      .string()
      .refine(isRepositoryName, 'a name such as team or team/mirror')
      .optional()
      .meta({
        description: 'Put before the names. Without it, repositories are called as at the source.',
        examples: ['team'],
      }),
    flatten: z
      .union([z.literal('all'), z.int().min(0).max(127)], {
        error: 'a number of components from 0 to 127, or "all"',
      })
      .default(0)
      .meta({
        kind: 'number, or `all`',
        description:
          'How many components of the source name the namespace replaces, `all`: all but the last. With namespace `n`, `a/b/c` becomes `n/a/b/c` with 0, `n/b/c` with 1, `n/c` with 2 or `all`. Needs a namespace.',
      }),
    template: z
      .string()
      .max(255)
      .refine(
        isTemplate,
        'a name with {repository}, {project} and {path} (its first component and the rest), {namespace} and {name} (its last component and what is before), {endpoint} (of the source), or {1}, {2} … for components',
      )
      .optional()
      .meta({
        description:
          'What repositories are called, instead of `namespace`: with `{repository}`, `{project}` and `{path}` (its first component and the rest), `{name}` and `{namespace}` (its last component and what is before), `{endpoint}` (of the source), `{1}`, `{2}` … (components).',
        examples: ['mirror/{endpoint}/{path}'],
      }),
  })
  .refine(
    ({ namespace, template }) => namespace === undefined || template === undefined,
    'has namespace and template; allowed: one of them',
  );
export type Destination = z.output<typeof Destination>;

/** How many components a registry's repositories have. */
export type NameShape = 'any' | 'at-least-two' | 'exactly-two';

/** A name, or why there is none. */
export type Naming = { readonly repository: string } | { readonly refused: string };

/**
 * Harbor's table for `namespace` and `flatten` (src/controller/replication/flow/stage.go, `replaceNamespace`, where `all` is
 * -1): with no namespace nothing is flattened, and a name with no more components than are replaced is refused.
 */
export function destinationOf(
  source: { readonly repository: string; readonly endpoint: string },
  destination: Pick<Destination, 'namespace' | 'flatten' | 'template'>,
  shape: NameShape = 'any',
): Naming {
  const { namespace, flatten, template } = destination;
  if (template !== undefined) return shaped(filled(template, source), shape);
  if (namespace === undefined) return shaped(source.repository, shape);
  const components = source.repository.split('/');
  const replaced = flatten === 'all' ? components.length - 1 : flatten;
  if (replaced >= components.length) {
    return {
      refused: `${source.repository} has ${components.length - 1} components before its last, of which ${replaced} cannot be replaced`,
    };
  }
  return shaped([namespace, ...components.slice(replaced)].join('/'), shape);
}

/** A repository of a source, and what some policy calls it at a destination. */
export interface Claim {
  readonly source: { readonly endpoint: string; readonly repository: string };
  readonly endpoint: string;
  readonly repository: string;
}

/** One name for several repositories, of which the last that is copied would win. */
export interface NamingConflict {
  readonly endpoint: string;
  readonly repository: string;
  readonly sources: readonly Claim['source'][];
}

/** Names at destinations that several repositories claim, of one policy or of several. */
export function namingConflicts(claims: readonly Claim[]): readonly NamingConflict[] {
  const byName = Map.groupBy(claims, ({ endpoint, repository }) => `${endpoint} ${repository}`);
  return [...byName.values()].flatMap((alike) => {
    const sources = new Map(
      alike.map(({ source }) => [`${source.endpoint} ${source.repository}`, source]),
    );
    const [first] = alike;
    if (first === undefined || sources.size < 2) return [];
    const { endpoint, repository } = first;
    return [{ endpoint, repository, sources: [...sources.values()] }];
  });
}

/** Whether two repositories of one source may be called alike there, so that their names have to be compared. */
export function mayCallAlike({
  namespace,
  flatten,
  template,
}: Pick<Destination, 'namespace' | 'flatten' | 'template'>): boolean {
  if (template === undefined) return namespace !== undefined && flatten !== 0;
  const keepsAll = /\{repository\}|\{project\}\/\{path\}|\{namespace\}\/\{name\}/;
  const rest = template.replace(keepsAll, '').replaceAll('{endpoint}', '');
  return !keepsAll.test(template) || /\{/.test(rest);
}

function shaped(repository: string, shape: NameShape): Naming {
  const { length } = repository.split('/');
  if (!isRepositoryName(repository)) return { refused: `${repository} is no name of a repository` };
  if (shape === 'exactly-two' && length !== 2) {
    return { refused: `${repository} has not two components, as the destination's names have` };
  }
  if (shape === 'at-least-two' && length < 2) {
    return { refused: `${repository} has one component, the destination's names have two or more` };
  }
  return { repository };
}

/** What is empty goes with its slash. */
function filled(
  template: string,
  source: { readonly repository: string; readonly endpoint: string },
): string {
  const components = source.repository.split('/');
  const values: Readonly<Record<string, string | undefined>> = {
    repository: source.repository,
    project: components[0],
    path: components.slice(1).join('/'),
    namespace: components.slice(0, -1).join('/'),
    name: components.at(-1),
    endpoint: source.endpoint.toLowerCase(),
  };
  return template
    .replaceAll(PLACEHOLDER, (_, key: string) => values[key] ?? components[Number(key) - 1] ?? '')
    .replaceAll(/\/{2,}/g, '/')
    .replaceAll(/^\/|\/$/g, '');
}

/** Whether it can make names, and different ones. */
function isTemplate(template: string): boolean {
  const keys = [...template.matchAll(PLACEHOLDER)].map(([, key = '']) => key);
  const isKnown = keys.every((key) => NAMED.includes(key) || /^[1-9]\d?$/.test(key));
  const example = template.replaceAll(PLACEHOLDER, 'x');
  return isKnown && isRepositoryName(example.replaceAll(/\/{2,}/g, '/'));
}
