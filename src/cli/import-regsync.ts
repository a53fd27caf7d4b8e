/**
 * regsync's configuration as ours (github.com/regclient/regclient v0.11, docs/regsync.md and cmd/regsync/config.go). What
 * has no counterpart is told, never left out in silence.
 */
import { parse } from 'yaml';
import { z } from 'zod';
import { LOCAL } from '../../policies/replication.ts';
import { WELL_KNOWN_REGISTRIES } from '../config/registries.ts';
import { isNearby } from '../registry/address-guard.ts';
import { CommandFailed } from './command-failed.ts';
import type { Imported } from './imported.ts';

const Patterns = z.array(z.string()).optional();
const Options = z.looseObject({
  schedule: z.string().optional(),
  interval: z.string().optional(),
  platform: z.string().optional(),
  platforms: Patterns,
  mediaTypes: Patterns,
  referrers: z.boolean().optional(),
  digestTags: z.boolean().optional(),
  ratelimit: z.looseObject({ min: z.int().nonnegative().default(0) }).optional(),
});
const Sync = Options.extend({
  source: z.string(),
  target: z.string(),
  type: z.enum(['registry', 'repository', 'image']),
  tags: z.looseObject({ allow: Patterns, deny: Patterns, semverRange: Patterns }).optional(),
  repos: z.looseObject({ allow: Patterns, deny: Patterns }).optional(),
});
const Credential = z.looseObject({
  registry: z.string(),
  user: z.string().optional(),
  pass: z.string().optional(),
  tls: z.string().optional(),
});
const Regsync = z.looseObject({
  version: z.literal(1),
  creds: z.array(Credential).default([]),
  defaults: Options.default({}),
  sync: z.array(Sync).default([]),
});
type Sync = z.infer<typeof Sync>;
type Options = z.infer<typeof Options>;
type Credential = z.infer<typeof Credential>;

/** What is read of each; another key is told. */
const KNOWN = [...Object.keys(Options.shape), 'source', 'target', 'type', 'tags', 'repos'];

type Tell = (about: string) => void;

/**
 * @param local what of it is this node from now on: a registry as the file calls it
 * @throws CommandFailed where it is no configuration of regsync
 */
export function importRegsync(
  text: string,
  { local }: { readonly local?: string | undefined } = {},
): Imported {
  const { data, error } = Regsync.safeParse(parse(text));
  if (data === undefined) {
    const [issue] = error.issues;
    const where = issue?.path.join('.') ?? '';
    throw new CommandFailed(`that is no configuration of regsync: ${where}: ${issue?.message}`);
  }
  const untold: string[] = [];
  const policies: [string, object][] = [];
  /** With the pulls that are reserved there, for each that copies from there. */
  const registries = new Map<string, number[]>();
  tellUnknown(data.defaults, (about) => untold.push(`defaults: ${about}`));
  const projects = new Set<string>();
  for (const [index, sync] of data.sync.entries()) {
    const tell: Tell = (about) => untold.push(`sync ${index + 1}: ${about}`);
    const nameOf = (registry: string): string => {
      if (registry === local) return LOCAL;
      registries.set(registry, registries.get(registry) ?? []);
      return endpointName(registry, data.creds);
    };
    const { from, to, project, reserved, rules } = policyOf(sync, data.defaults, { nameOf, tell });
    registries.get(from)?.push(reserved);
    if (to === LOCAL && project !== '') projects.add(project);
    policies.push([`regsync-${index + 1}`, rules]);
  }
  const endpoints = endpointsFor(registries, data.creds, (about) => untold.push(about));
  if (projects.size > 0) {
    untold.push(`projects of this node that have to be there: ${[...projects].join(', ')}`);
  }
  return { endpoints, policies: Object.fromEntries(policies), untold };
}

function policyOf(
  sync: Sync,
  defaults: Options,
  { nameOf, tell }: { readonly nameOf: (registry: string) => string; readonly tell: Tell },
) {
  const options = { ...defaults, ...sync };
  tellUnknown(sync, tell);
  const isRegistry = sync.type === 'registry';
  const source = isRegistry ? { registry: sync.source, repository: '' } : referenceIn(sync.source);
  const target = isRegistry ? { registry: sync.target, repository: '' } : referenceIn(sync.target);
  const [from, to] = [nameOf(source.registry), nameOf(target.registry)];
  if (sync.type === 'image' && (source.tag ?? 'latest') !== (target.tag ?? 'latest')) {
    tell(`the tag ${source.tag} stays what it is: a policy renames repositories alone`);
  }
  const rules = {
    source: from,
    destinations: [{ endpoint: to, ...namingOf(source.repository, target.repository) }],
    ...(isRegistry ? reposOf(sync) : { repositories: [source.repository] }),
    ...tagsOf(sync, source.tag),
    ...mediaTypesOf(options),
    ...platformsOf(options, tell),
    ...((options.referrers ?? options.digestTags) === true ? {} : { referrers: false }),
    ...triggerOf(options, tell),
  };
  const [project = ''] = target.repository.split('/');
  // regsync waits while fewer are left.
  const reserved = Math.max(0, (options.ratelimit?.min ?? 0) - 1);
  return { from: source.registry, to, project, reserved, rules };
}

function tellUnknown(options: Options, tell: Tell): void {
  for (const key of Object.keys(options)) {
    if (!KNOWN.includes(key)) tell(`${key} has no counterpart`);
  }
  if (options.ratelimit?.['retry'] !== undefined)
    tell('ratelimit.retry: what is left is looked at again every five minutes');
}

interface ImageReference {
  readonly registry: string;
  readonly repository: string;
  readonly tag?: string | undefined;
}

/** As docker reads names: the first part is a registry where it has a dot or a port, or is `localhost`. */
function referenceIn(text: string): ImageReference {
  if (text.includes('@') || text.startsWith('ocidir://')) {
    throw new CommandFailed(`${text}: policies copy tags, from registry to registry`);
  }
  const [, path = text, tag] = /^(.*?)(?::([^:/]+))?$/.exec(text) ?? [];
  const [first = '', ...rest] = path.split('/');
  const isRegistry = rest.length > 0 && (/[.:]/.test(first) || first === 'localhost');
  if (isRegistry && first !== 'docker.io')
    return { registry: first, repository: rest.join('/'), tag };
  const name = isRegistry ? rest.join('/') : path;
  return { registry: 'docker.io', repository: name.includes('/') ? name : `library/${name}`, tag };
}

function namingOf(source: string, target: string): object {
  if (source === target) return {};
  const namespace = target.endsWith(`/${source}`) ? target.slice(0, -source.length - 1) : undefined;
  return namespace === undefined ? { template: target } : { namespace };
}

function reposOf({ repos }: Sync): object {
  const rules = filterOf(repos?.allow, repos?.deny);
  return Object.keys(rules).length === 0 ? {} : { repositories: rules };
}

function tagsOf({ type, tags }: Sync, tag: string | undefined): object {
  if (type === 'image') return { tags: [tag ?? 'latest'] };
  const semver = tags?.semverRange === undefined ? {} : { semver: tags.semverRange };
  const rules = { ...filterOf(tags?.allow, tags?.deny), ...semver };
  return Object.keys(rules).length === 0 ? {} : { tags: rules };
}

function expressions(texts: readonly string[]): readonly string[] {
  return texts.map((text) => `/${text}/`);
}

/** Both match whole names by RE2. */
function filterOf(allow: readonly string[] = [], deny: readonly string[] = []): object {
  return {
    ...(allow.length === 0 ? {} : { include: expressions(allow) }),
    ...(deny.length === 0 ? {} : { exclude: expressions(deny) }),
  };
}

function mediaTypesOf({ mediaTypes }: Options): object {
  return mediaTypes === undefined ? {} : { mediaTypes };
}

function platformsOf({ platform, platforms }: Options, tell: Tell): object {
  if (platform !== undefined) {
    tell(
      `platform: the index stays what it is, with ${platform} alone; regsync makes one image of it`,
    );
  }
  const wanted = platform === undefined ? platforms : [platform];
  return wanted === undefined ? {} : { platforms: wanted };
}

function triggerOf({ schedule, interval }: Options, tell: Tell): object {
  if (schedule !== undefined) return { trigger: { cron: schedule } };
  if (interval === undefined) return {};
  const cron = cronEvery(interval);
  if (cron !== undefined) return { trigger: { cron } };
  tell(
    `interval ${interval} is no part of an hour or a day: the policy runs by hand until it has a cron`,
  );
  return {};
}

/** Of what divides an hour or a day. */
function cronEvery(interval: string): string | undefined {
  const [, hours = '0', minutes = '0'] = /^(?:(\d+)h)?(?:(\d+)m)?(?:0s)?$/.exec(interval) ?? [];
  const every = Number(hours) * 60 + Number(minutes);
  if (every > 0 && every < 60 && 60 % every === 0) return `*/${every} * * * *`;
  if (every === 60) return '0 * * * *';
  if (every === 24 * 60) return '0 0 * * *';
  const isWhole = every > 60 && every % 60 === 0 && 24 % (every / 60) === 0;
  return isWhole ? `0 */${every / 60} * * *` : undefined;
}

function endpointsFor(
  registries: ReadonlyMap<string, readonly number[]>,
  credentials: readonly Credential[],
  tell: Tell,
): Readonly<Record<string, object>> {
  const made = [...registries].flatMap(([name, each]): [string, object][] => {
    const reserved = Math.max(0, ...each);
    if (new Set(each).size > 1)
      tell(`${name}: ratelimit.min is one for all that copy from there, the largest`);
    const known = WELL_KNOWN_REGISTRIES.find((registry) => registry.name === name);
    const login = credentials.find(({ registry }) => registry === name);
    if (known !== undefined && login === undefined && reserved === 0) return [];
    if (login?.tls === 'insecure')
      tell(`${name}: give its certificate (caFile); none is taken unseen`);
    const scheme = login?.tls === 'disabled' ? 'http' : 'https';
    const { adapter, url } = known ?? { adapter: 'distribution', url: `${scheme}://${name}` };
    const near = isNearby(url) ? { allowPrivateAddress: true } : {};
    const reservedPulls = reserved === 0 ? {} : { reservedPulls: reserved };
    const endpoint = { adapter, url, ...near, ...reservedPulls, ...credentialOf(login, tell) };
    return [[endpointName(name, credentials), endpoint]];
  });
  return Object.fromEntries(made);
}

/** The public cache of a registry that everybody knows has an endpoint of its name, and must not get a login. */
function endpointName(registry: string, credentials: readonly Credential[]): string {
  const isKnown = WELL_KNOWN_REGISTRIES.some(({ name }) => name === registry);
  const hasLogin = credentials.some((login) => login.registry === registry);
  return isKnown && hasLogin ? registry.replaceAll('.', '-') : registry;
}

function credentialOf(login: Credential | undefined, tell: Tell): object {
  if (login?.user === undefined) return {};
  const { registry, user, pass = '' } = login;
  const file = /^\{\{\s*file\s+"([^"]+)"\s*\}\}$/.exec(pass)?.[1];
  const secret =
    file === undefined ? { password: secretOf(registry, pass, tell) } : { passwordFile: file };
  return { credential: { username: withVariables(user), ...secret } };
}

/** What is written in a file in plain text is not written into another one. */
function secretOf(registry: string, pass: string, tell: Tell): string {
  const text = withVariables(pass);
  if (text.startsWith('${')) return text;
  const variable = `${registry.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_')}_PASSWORD`;
  tell(`${registry}: its password is to be in the environment, as ${variable}`);
  return `\${${variable}}`;
}

function withVariables(text: string): string {
  return text.replaceAll(/\{\{\s*env\s+"([A-Za-z_]\w*)"\s*\}\}/g, '${$1}');
}
