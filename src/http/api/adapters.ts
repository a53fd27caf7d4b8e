import { type ZodType, z } from 'zod';
import { type OwnRoute, ownRoute } from './own-route.ts';
import { typeOf, type Vendor } from './vendors.ts';

const Capabilities = z.object({
  push: z.boolean().meta({ description: 'False for what is only read.' }),
  chunkedPush: z.boolean().meta({
    description:
      'Whether a blob can go there in several requests, so that a push that broke off goes on.',
  }),
  mount: z.boolean().meta({
    description: 'Whether a blob can be taken from another repository there.',
  }),
  deleteManifest: z.boolean(),
  deleteTag: z.boolean().meta({
    description: 'Whether a tag can be taken away and its manifest left.',
  }),
  listRepositories: z.boolean(),
  listTagDigests: z.boolean().meta({
    description: 'Whether one call tells what many tags point to.',
  }),
  prepare: z.boolean().meta({
    description:
      'Whether what a repository is in (project, namespace, or itself) has to be there before a push.',
  }),
});

const NameParts = z.object({ least: z.int(), most: z.int().optional() });

const AdapterJson = z.object({
  name: z.string().meta({ description: 'The value of `adapter:` in the configuration.' }),
  harborType: z.string().meta({ description: 'The `type` of such registries in Harbor’s API.' }),
  title: z.string().meta({ description: 'As the vendor calls it.' }),
  description: z.string().meta({ description: 'What it is for here, and what it cannot.' }),
  places: z
    .array(z.object({ name: z.string(), url: z.string() }))
    .meta({ description: 'Where it has a few. Empty: any URL.' }),
  credential: z.object({
    description: z.string().meta({ description: 'What user name and password hold there.' }),
    username: z.string().optional().meta({
      description: 'Where the user name is the same for everybody.',
    }),
    isFile: z.boolean().meta({ description: 'Whether the password is a file’s content.' }),
  }),
  capabilities: Capabilities,
  nameParts: NameParts.optional().meta({
    description: 'How many parts, apart by slashes, a repository’s name may have.',
  }),
  options: z.record(z.string(), z.unknown()).meta({
    description: 'JSON Schema (2020-12) of what goes under `options:`, with descriptions.',
  }),
});

/** A vendor with all that is told of it to whoever is about to configure one of its registries. */
export interface Adapter extends Vendor {
  readonly title: string;
  readonly credential: Vendor['credential'] & { readonly description: string };
  readonly capabilities: z.infer<typeof Capabilities>;
  readonly nameParts?: { readonly least: number; readonly most?: number };
  readonly options: ZodType;
}

export function adapterRoutes(adapters: readonly Adapter[]): readonly OwnRoute[] {
  return [
    ownRoute({
      operation: 'listAdapters',
      described: {
        summary: 'The vendors of registries that there are adapters for, and the options of each.',
        answer: z.array(AdapterJson),
      },
      method: 'GET',
      path: '/adapters',
      permission: { system: 'replication-adapter:list' },
      answers: [200, 401, 403],
      handle: () => ({ json: adapters.map((each) => adapterJson(each, adapters)) }),
    }),
  ];
}

function adapterJson(
  { name, title, description, places = [], credential, ...rest }: Adapter,
  adapters: readonly Adapter[],
): z.infer<typeof AdapterJson> {
  const { capabilities, nameParts, options } = rest;
  return {
    name,
    harborType: typeOf(name, adapters),
    title,
    description,
    places: places.map((place) => ({ name: place.name, url: place.url })),
    credential: { ...credential, isFile: credential.isFile === true },
    capabilities,
    ...(nameParts === undefined ? {} : { nameParts }),
    options: { ...z.toJSONSchema(options, { io: 'input' }) },
  };
}
