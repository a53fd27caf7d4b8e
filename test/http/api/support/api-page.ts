import { CONFIGURATION_KEYS } from '../../../../src/http/api/configurations.ts';
import type { ApiRoute } from '../../../../src/http/api/route.ts';
import { CONFIGURATIONS, type ContractOperation } from './contract.ts';

/** `docs/api.md`: which operations of the contract exist, and what they need. */
export function apiPage(
  operations: readonly ContractOperation[],
  routes: readonly ApiRoute[],
  own: readonly ApiRoute[],
): string {
  const known = new Map(routes.map((route) => [route.operation, route]));
  const tags = [...new Set(operations.map(({ tag }) => tag))].toSorted();
  const lines = tags.flatMap((tag) => {
    const ofTag = operations.filter((operation) => operation.tag === tag);
    const there = ofTag.filter(({ operation }) => known.has(operation));
    return [
      `## ${tag} (${there.length} of ${ofTag.length})`,
      '',
      ...(there.length === 0 ? missing(ofTag) : table(ofTag, known)),
      '',
    ];
  });
  const count = `${known.size} of ${operations.length} operations exist.`;
  return [...INTRODUCTION, count, '', ...lines, ...configurationKeys(), ...ownOperations(own)]
    .join('\n')
    .trimEnd()
    .concat('\n');
}

const INTRODUCTION = [
  '# The management API',
  '',
  '<!-- Written by `npm run docs` from the routes and from Harbor’s contract. -->',
  '',
  'Under `/api/v2.0` this node speaks the API of Harbor, so that its clients work unchanged. What is missing answers 404; a path',
  'that exists with other methods only answers 405. Every refusal has the body `{"errors":[{"code":…,"message":…}]}`.',
  '',
  'Statuses are those that the contract declares for an operation; a refusal that it has no status for goes out as the nearest that',
  'it has. Beyond the contract, any operation may answer 400 (a request that is none of the contract’s), 401 (nobody signed in), 413,',
  '429 and 5xx.',
  '',
  'The third column is the permission that a caller needs: `resource:action` of the node or of the project, by role or as a robot was',
  'given it. *Own* is what everybody may do to their own account. A private project that the caller may not see and one that is not',
  'there are answered alike.',
  '',
];

function configurationKeys(): readonly string[] {
  const { acting, fixed } = CONFIGURATION_KEYS;
  const refused = CONFIGURATIONS.filter((name) => ![...acting, ...fixed].includes(name));
  return [
    '## Keys of the configuration',
    '',
    `These act: ${listed(acting)}.`,
    '',
    `These say how the node is; sent back as they are they change nothing, and any other value is a 400: ${listed(fixed)}.`,
    '',
    `These are a 400 that names the key, for nothing here would obey it: ${listed(refused.toSorted())}.`,
    '',
  ];
}

function ownOperations(own: readonly ApiRoute[]): readonly string[] {
  return [
    '## The node’s own operations',
    '',
    'Below `/api/portolan/v1`, for what Harbor’s API has no words: policies with all that their rules can say (`{name, rules}`, rules as in',
    'configuration.md; those of the file are `declared`, and read-only), executions by tasks and bytes, the failed tasks of one done again,',
    'pauses, during which nothing of a policy, an endpoint or all of them begins, and what runs ends, to go on later; and dry runs,',
    'which are executions that tell what would be copied, skipped, deleted or fail, and change nothing anywhere. Lists are filtered,',
    'sorted and paged as Harbor’s, and refusals are as Harbor’s. Tags are rolled back to what they pointed to before. Adapters are told with what they',
    'can and the JSON Schema of their `options:`, for which Harbor’s `adapterinfos` has no field. `/api/portolan/v1/openapi.json` describes all of it.',
    '',
    ...table(own, new Map(own.map((route) => [route.operation, route]))),
    '',
  ];
}

function listed(names: readonly string[]): string {
  return names.map((name) => `\`${name}\``).join(', ');
}

function missing(operations: readonly ContractOperation[]): readonly string[] {
  return [`Not here: ${operations.map(({ operation }) => `\`${operation}\``).join(', ')}.`];
}

function table(
  operations: readonly Pick<ContractOperation, 'operation' | 'method' | 'path'>[],
  known: ReadonlyMap<string, ApiRoute>,
): readonly string[] {
  return [
    '| operation | request | needs |',
    '|---|---|---|',
    ...operations.map(({ operation, method, path }) => {
      const route = known.get(operation);
      const needs = route === undefined ? '*not here*' : needsOf(route);
      return `| ${operation} | \`${method} ${path}\` | ${needs} |`;
    }),
  ];
}

function needsOf({ permission }: ApiRoute): string {
  if (permission === 'nobody') return 'nothing';
  if (permission === 'visible') return 'nothing; shows what the caller may see';
  if (permission === 'signed-in') return 'an account';
  if ('project' in permission) return `\`${permission.project}\` of the project`;
  if ('either' in permission) return `\`${permission.either}\` of the project or the node`;
  const { system, orSelf, orInProjects } = permission;
  const others =
    orInProjects === undefined ? '' : `, or \`${orInProjects}\` of projects, for those`;
  return `\`${system}\` of the node${orSelf === true ? ', or *own*' : others}`;
}
