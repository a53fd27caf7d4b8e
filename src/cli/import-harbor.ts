/** Registries and replication policies of a Harbor, read over its API, as ours (harbor.md of Harbor 2.13's swagger.yaml). */
import { z } from 'zod';
import { VENDORS } from '../../adapters/index.ts';
import { LOCAL } from '../../policies/replication.ts';
import { changedByHarbor, HarborPolicy } from '../../policies/replication-harbor.ts';
import { isNearby } from '../registry/address-guard.ts';
import type { Imported } from './imported.ts';
import type { NodeApi } from './node-api.ts';

const Registry = z.looseObject({
  id: z.int(),
  name: z.string(),
  type: z.string(),
  url: z.string(),
  insecure: z.boolean().nullish(),
  credential: z.looseObject({ access_key: z.string().nullish() }).nullish(),
});
type Registry = z.infer<typeof Registry>;

const End = z.looseObject({ id: z.int().default(0), name: z.string().default('') }).nullish();
const Policy = z.looseObject({ name: z.string(), src_registry: End, dest_registry: End });

/** @throws CommandFailed with what the Harbor says */
export async function importHarbor(api: Pick<NodeApi, 'list'>): Promise<Imported> {
  const untold: string[] = [];
  const registries = await Array.fromAsync(api.list('/registries', Registry));
  const endpoints = registries.flatMap((registry): [string, object][] => {
    const endpoint = endpointOf(registry, untold);
    return endpoint === undefined ? [] : [[registry.name, endpoint]];
  });
  const policies: [string, object][] = [];
  for await (const { name, src_registry, dest_registry, ...sent } of api.list(
    '/replication/policies',
    Policy,
  )) {
    const ends = { source: nameOf(src_registry), destination: nameOf(dest_registry) };
    const changed = changedBy(sent, ends);
    if ('text' in changed) policies.push([name, changed.text]);
    else untold.push(`policy ${name} is left out: ${changed.refused}`);
  }
  return {
    endpoints: Object.fromEntries(endpoints),
    policies: Object.fromEntries(policies),
    untold,
  };
}

function changedBy(
  sent: unknown,
  ends: Parameters<typeof changedByHarbor>[1],
): ReturnType<typeof changedByHarbor> {
  const { data, error } = HarborPolicy.safeParse(sent);
  if (data === undefined) return { refused: z.prettifyError(error).replaceAll('\n', ' ') };
  return changedByHarbor(data, ends);
}

/** The Harbor itself is this node from now on. */
function nameOf(end: z.infer<typeof End>): string {
  return end === null || end === undefined || end.id === 0 ? LOCAL : end.name;
}

/** A Harbor tells no secrets. */
function endpointOf(registry: Registry, untold: string[]): object | undefined {
  const { name, type, insecure, credential } = registry;
  const url = withScheme(registry.url);
  if (!URL.canParse(url)) {
    untold.push(`registry ${name} is left out: ${url} is no address`);
    return undefined;
  }
  const vendor = VENDORS.find((each) => each.harborType === type || each.name === type);
  if (vendor === undefined)
    untold.push(`registry ${name}: ${type} is of a vendor that is not here`);
  if (insecure === true && url.startsWith('https:')) {
    untold.push(`registry ${name}: give its certificate (caFile); none is taken unseen`);
  }
  const username = credential?.access_key ?? '';
  const near = isNearby(url) ? { allowPrivateAddress: true } : {};
  const common = { adapter: vendor?.name ?? type, url, ...near };
  if (username === '') return common;
  const variable = `${name.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_')}_PASSWORD`;
  untold.push(`registry ${name}: its secret is to be in the environment, as ${variable}`);
  return { ...common, credential: { username, password: `\${${variable}}` } };
}

// src/lib/endpoint.go, `ValidateHTTPURL`
function withScheme(url: string): string {
  return url.includes('://') ? url : `http://${url}`;
}
