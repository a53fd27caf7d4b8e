/**
 * Harbor's metadata of a project, `name: text`. Some names act here, as the visibility, the filter and the freshness of
 * what is pulled through; others are kept for tools that read back what they wrote; and what would promise a check that
 * nobody makes is refused.
 */
import { z } from 'zod';
import { PullThroughSettings } from '../../policies/pull-through.ts';
import { ManagementError } from '../oci/management-error.ts';

export type ProjectMetadata = Readonly<Record<string, string>>;

const flag = z.enum(['true', 'false'], 'true or false');
/** Nothing here looks into images before they are pulled. */
const unkept = z.enum(['false', ''], 'false: this node does not make that check');
const unlimited = z.string().regex(/^(?:-1|0)?$/, '-1: this node has no such limit');

const KNOWN = {
  public: flag,
  auto_scan: flag,
  auto_sbom_generation: flag,
  reuse_sys_cve_allowlist: flag,
  severity: z.enum(['', 'none', 'low', 'medium', 'high', 'critical'], 'a severity'),
  prevent_vul: unkept,
  enable_content_trust: unkept,
  enable_content_trust_cosign: unkept,
  proxy_speed_kb: unlimited,
  max_upstream_conn: unlimited,
  proxy_referrer_api: z.enum(['true', ''], 'true: referrers are always asked for'),
  proxy_cache_local_on_not_found: flag,
  proxy_cache_filter_kind: z.enum(['', 'doublestar'], 'doublestar'),
  proxy_cache_filter_pattern: z.string(),
} satisfies Record<string, z.ZodType<string>>;

const schemas: ReadonlyMap<string, z.ZodType<string>> = new Map(Object.entries(KNOWN));

/** @throws ManagementError BAD_REQUEST that says which name, and what it may be */
export function checkMetadata(metadata: ProjectMetadata): void {
  for (const [name, value] of Object.entries(metadata)) {
    const schema = schemas.get(name);
    if (schema === undefined) {
      throw new ManagementError('BAD_REQUEST', `projects have no metadata ${JSON.stringify(name)}`);
    }
    const { error } = schema.safeParse(value);
    if (error === undefined) continue;
    const [issue] = error.issues;
    throw new ManagementError(
      'BAD_REQUEST',
      `${name} may be ${issue?.message ?? 'something else'}`,
    );
  }
}

const Written = z.looseObject({ freshness: z.array(z.looseObject({})).optional() });

/**
 * The settings of a proxy project, as an operator would have written them, with what the changed metadata says.
 *
 * @throws ManagementError BAD_REQUEST for a pattern that is none
 */
export function settingsWith(settings: unknown, changed: ProjectMetadata): unknown {
  const { freshness = [], ...rest } = Written.parse(settings ?? {});
  const pattern = changed['proxy_cache_filter_pattern'];
  const { repositories, ...unfiltered } = rest;
  const filter = pattern === undefined ? repositories : filterOf(pattern);
  const keep = changed['proxy_cache_local_on_not_found'];
  const rules = keep === undefined ? freshness : rulesWith(freshness, keep === 'true');
  const next = {
    ...unfiltered,
    ...(filter === undefined ? {} : { repositories: filter }),
    ...(rules.length === 0 ? {} : { freshness: rules }),
  };
  if (PullThroughSettings.safeParse(next).success) return next;
  throw new ManagementError('BAD_REQUEST', `${JSON.stringify(pattern)} is no pattern`);
}

function filterOf(pattern: string): { readonly include: readonly string[] } | undefined {
  return pattern === '' ? undefined : { include: [pattern] };
}

function rulesWith(
  rules: readonly Readonly<Record<string, unknown>>[],
  isKept: boolean,
): readonly Readonly<Record<string, unknown>>[] {
  const onNotFound = isKept ? 'serveCached' : 'answer404';
  const changed = rules.map((rule) => ({ ...rule, onNotFound }));
  const isForAll = rules.some(({ tags = '*' }) => tags === '*');
  return isForAll ? changed : [...changed, { tags: '*', onNotFound }];
}
