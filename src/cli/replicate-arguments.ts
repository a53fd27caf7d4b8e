import { parseArgs } from 'node:util';
import type { ConfigSources } from '../config/load.ts';
import { UsageError, usageErrorOf } from './usage.ts';

/** A copy that is made once, with no node. */
export interface ReplicateCommand {
  /** As in `registryNamed`. */
  readonly from: string;
  readonly to: string;
  /** What of a policy's rules the command line says. */
  readonly rules: Readonly<Record<string, unknown>>;
  /** Of the destination. */
  readonly naming: Readonly<Record<string, unknown>>;
  /** A YAML file with more rules. */
  readonly rulesFile: string | undefined;
  readonly isDryRun: boolean;
  readonly isJson: boolean;
  readonly sources: ConfigSources;
}

/** They take what follows, up to the next option. */
const LISTS = {
  repositories: { type: 'string', multiple: true },
  'exclude-repositories': { type: 'string', multiple: true },
  tags: { type: 'string', multiple: true },
  'exclude-tags': { type: 'string', multiple: true },
  semver: { type: 'string', multiple: true },
  platforms: { type: 'string', multiple: true },
} as const;
type List = keyof typeof LISTS;

const OPTIONS = {
  ...LISTS,
  from: { type: 'string' },
  to: { type: 'string' },
  newest: { type: 'string' },
  'max-size': { type: 'string' },
  'signed-only': { type: 'boolean' },
  'no-referrers': { type: 'boolean' },
  'no-override': { type: 'boolean' },
  namespace: { type: 'string' },
  flatten: { type: 'string' },
  bandwidth: { type: 'string' },
  rules: { type: 'string' },
  'dry-run': { type: 'boolean' },
  json: { type: 'boolean' },
  config: { type: 'string' },
} as const;

/** @param args behind `replicate` @throws UsageError */
export function parseReplicate(
  args: readonly string[],
  env: ConfigSources['env'],
): ReplicateCommand {
  const { values, lists } = parsed(args);
  const { from, to } = values;
  if (from === undefined || to === undefined) {
    throw new UsageError('replicate needs --from and --to');
  }
  if (lists.repositories.length === 0 && values.rules === undefined) {
    throw new UsageError("replicate needs --repositories; '**' are all");
  }
  const file = values.config ?? (env['PORTOLAN_CONFIG'] || undefined);
  return {
    from,
    to,
    rules: rulesOf(values, lists),
    naming: given({
      namespace: values.namespace,
      flatten: values.flatten === undefined ? undefined : numberOr(values.flatten),
    }),
    rulesFile: values.rules,
    isDryRun: values['dry-run'] === true,
    isJson: values.json === true,
    sources: { file, env, overrides: [] },
  };
}

type Values = ReturnType<typeof parsed>['values'];
type Lists = Readonly<Record<List, readonly string[]>>;

/** As the configuration file would have them. */
function rulesOf(values: Values, lists: Lists): Readonly<Record<string, unknown>> {
  const { newest } = values;
  return given({
    repositories: given({
      include: lists.repositories,
      exclude: lists['exclude-repositories'],
    }),
    tags: given({ include: lists.tags, exclude: lists['exclude-tags'], semver: lists.semver }),
    platforms: lists.platforms,
    keep: newest === undefined ? undefined : { newest: numberOr(newest), by: 'semver' },
    maxSize: values['max-size'],
    signedOnly: values['signed-only'],
    referrers: values['no-referrers'] === true ? false : undefined,
    override: values['no-override'] === true ? false : undefined,
    bandwidth: values.bandwidth,
  });
}

/** Without what nobody said. */
function given(rules: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const said = Object.entries(rules).filter(
    ([, value]) =>
      value !== undefined &&
      !(Array.isArray(value) && value.length === 0) &&
      !(typeof value === 'object' && Object.keys(value ?? {}).length === 0),
  );
  return Object.fromEntries(said);
}

/** What is none is the rule's to refuse. */
function numberOr(text: string): number | string {
  return /^\d+$/.test(text) ? Number(text) : text;
}

function parsed(args: readonly string[]) {
  try {
    const { values, tokens } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: OPTIONS,
      tokens: true,
    });
    return { values, lists: listsIn(tokens) };
  } catch (error) {
    throw usageErrorOf(error);
  }
}

interface Token {
  readonly kind: string;
  readonly name?: string;
  readonly value?: string | boolean | undefined;
}

/** Words that follow no list are repositories. */
function listsIn(tokens: readonly Token[]): Lists {
  const lists: Record<List, string[]> = {
    repositories: [],
    'exclude-repositories': [],
    tags: [],
    'exclude-tags': [],
    semver: [],
    platforms: [],
  };
  let current: List = 'repositories';
  for (const { kind, name = '', value } of tokens) {
    if (kind === 'option') current = isList(name) ? name : 'repositories';
    const isListed = kind !== 'option' || isList(name);
    if (isListed && typeof value === 'string') lists[current].push(value);
  }
  return lists;
}

function isList(name: string): name is List {
  return Object.hasOwn(LISTS, name);
}
