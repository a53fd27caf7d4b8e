import { type ApiRoute, route } from './route.ts';

/** A registry vendor, as far as Harbor's API tells of one. */
export interface Vendor {
  readonly name: string;
  readonly description: string;
  /** What Harbor calls it, where that is something else. */
  readonly harborType?: string;
  /** Its places, where it has a few. */
  readonly places?: readonly { readonly name: string; readonly url: string }[];
  readonly credential: { readonly username?: string; readonly isFile?: boolean };
  readonly capabilities: { readonly chunkedPush: boolean };
}

/** What these routes need of the node. @throws ManagementError */
export interface Vendors {
  readonly vendors: readonly Vendor[];
  /** Of the registry with that id. NOT_FOUND. */
  vendorOf(registry: number): Promise<Vendor>;
  /** Names of the labels that the node has for all projects. */
  labels(): Promise<readonly string[]>;
}

/** A vendor's name in Harbor's API. */
export function typeOf(adapter: string, vendors: readonly Vendor[]): string {
  return vendors.find(({ name }) => name === adapter)?.harborType ?? adapter;
}

/** The vendor that Harbor's API calls so; what nobody knows stays as it is. */
export function adapterOf(type: string, vendors: readonly Vendor[]): string {
  return vendors.find(({ harborType }) => harborType === type)?.name ?? type;
}

/** What may be a registry here, and what each of them can do. */
export function vendorRoutes(vendors: Vendors): readonly ApiRoute[] {
  return [listTypes(vendors), listInfos(vendors), getInfo(vendors)];
}

const listTypes = ({ vendors }: Vendors): ApiRoute =>
  route({
    operation: 'listRegistryProviderTypes',
    method: 'GET',
    path: '/replication/adapters',
    permission: { system: 'replication-adapter:list' },
    answers: [200, 401, 403],
    handle: () => ({ json: vendors.map(({ name }) => typeOf(name, vendors)).toSorted() }),
  });

const listInfos = ({ vendors }: Vendors): ApiRoute =>
  route({
    operation: 'listRegistryProviderInfos',
    method: 'GET',
    path: '/replication/adapterinfos',
    permission: { system: 'replication-adapter:list' },
    answers: [200, 401, 403],
    handle: () => ({
      json: Object.fromEntries(
        vendors.map((vendor) => [typeOf(vendor.name, vendors), patternsJson(vendor)]),
      ),
    }),
  });

const getInfo = (vendors: Vendors): ApiRoute =>
  route({
    operation: 'getRegistryInfo',
    method: 'GET',
    path: '/registries/{id}/info',
    permission: { system: 'registry:read' },
    answers: [200, 401, 403, 404],
    async handle({ id }) {
      const registry = id('id');
      if (registry === 0) return { json: localJson(await vendors.labels()) };
      return { json: vendorJson(await vendors.vendorOf(registry), vendors.vendors) };
    },
  });

/** Its places and how it is signed in at (src/pkg/reg/model/registry.go, `AdapterPattern`). */
function patternsJson({ places, credential }: Vendor): object {
  return {
    endpoint_pattern: {
      endpoint_type: placesType(places),
      endpoints: (places ?? []).map(({ name: key, url: value }) => ({ key, value })),
    },
    credential_pattern: {
      access_key_type:
        credential.username === undefined ? 'AccessKeyTypeStandard' : 'AccessKeyTypeFix',
      access_key_data: credential.username ?? '',
      access_secret_type:
        credential.isFile === true ? 'AccessSecretTypeFile' : 'AccessSecretTypePass',
      access_secret_data: '',
    },
  };
}

function placesType(places: Vendor['places'] = []): string {
  if (places.length === 0) return 'EndpointPatternTypeStandard';
  return places.length === 1 ? 'EndpointPatternTypeFix' : 'EndpointPatternTypeList';
}

/** What happens elsewhere is not heard of here. */
function vendorJson({ name, description, capabilities }: Vendor, vendors: readonly Vendor[]) {
  const knowsLabels = name === 'harbor';
  return {
    type: typeOf(name, vendors),
    description,
    supported_resource_filters: filtersJson(knowsLabels ? [] : undefined),
    supported_triggers: ['manual', 'scheduled'],
    supported_copy_by_chunk: capabilities.chunkedPush,
  };
}

function localJson(labels: readonly string[]): object {
  return {
    type: 'harbor',
    description: 'This node.',
    supported_resource_filters: filtersJson(labels),
    supported_triggers: ['manual', 'scheduled', 'event_based'],
    supported_copy_by_chunk: true,
  };
}

function filtersJson(labels: readonly string[] | undefined): readonly object[] {
  return [
    { type: 'name', style: 'input' },
    { type: 'tag', style: 'input' },
    ...(labels === undefined ? [] : [{ type: 'label', style: 'list', values: labels }]),
    { type: 'resource', style: 'radio', values: ['image', 'artifact'] },
  ];
}
