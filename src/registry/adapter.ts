import { z } from 'zod';
import { isRate, NO_RATE, Rate } from '../../policies/replication-windows.ts';
import { isNearby } from './address-guard.ts';
import type { Endpoint } from './endpoint.ts';
import type { RegistryPeer } from './peer.ts';
import type { RegistryClient } from './registry-client.ts';
import type { VendorFacts } from './vendor.ts';

/** What differs from one registry vendor to the next. One per file in `adapters/`. */
interface AdapterDefinition<Name extends string, Options> extends VendorFacts {
  /** The value of `adapter:` in the configuration. */
  readonly name: Name;
  /** For vendors that are one place. */
  readonly defaultUrl?: string;
  /** Where the registry is, of an address by which people call it. */
  readonly registryUrl?: (url: URL) => URL;
  /** The `options:` this vendor takes: checks them, types them, documents them. */
  readonly options: z.ZodType<Options>;
  /** The name under which the registry keeps a repository that people call so. */
  readonly canonicalRepository?: (name: string) => string;
  connect(endpoint: Endpoint<Options>, client: RegistryClient): RegistryPeer;
}

/** Turns a definition into a {@link Vendor} whose `endpoint` the configuration can list and `node.ts` can connect. */
export function defineAdapter<const Name extends string, Options>(
  definition: AdapterDefinition<Name, Options>,
) {
  const { registryUrl = same } = definition;
  const endpoint = z
    .strictObject({
      adapter: z.literal(definition.name),
      url: urlSchema(definition.defaultUrl),
      credential: CredentialConfig.optional().meta({
        description: 'Who this node is there. Without it, nobody.',
      }),
      allowPrivateAddress: z.boolean().default(false).meta({
        description:
          'Whether it, and where it redirects to, may be in a private network or on this machine.',
      }),
      caFile: z
        .string()
        .min(1)
        .optional()
        .meta({
          description: 'Certificates (PEM) to trust there besides those of the system.',
          examples: ['/etc/ssl/lab-ca.pem'],
        }),
      ...SHARING,
      options: definition.options,
    })
    .meta({ description: definition.description })
    .superRefine(({ url, allowPrivateAddress }, ctx) => {
      if (allowPrivateAddress || !isNearby(url)) return;
      ctx.addIssue({
        code: 'custom',
        path: ['url'],
        message: `${new URL(url).host} is not a public address: set allowPrivateAddress: true if it is meant`,
      });
    })
    .transform((given) => {
      const config = { ...given, url: registryUrl(baseOf(given.url)) };
      return {
        ...config,
        canonicalRepository: definition.canonicalRepository ?? same,
        capabilities: definition.capabilities,
        leastNameParts: definition.nameParts?.least ?? 1,
        /** Opens nothing: the first call does. */
        connect: (where: Place, client: RegistryClient) =>
          definition.connect(endpointOf(config, where), client),
      };
    });
  return { ...definition, endpoint };
}

const CredentialConfig = z
  .strictObject({
    username: z
      .string()
      .regex(/^[^:]+$/, 'a user name without a colon')
      .meta({ description: 'The name to log in with.' }),
    password: z
      .string()
      .min(1)
      .optional()
      .meta({
        secret: true,
        description: 'Or a token. Better a `passwordFile`, or `${NAME}` of the environment.',
        examples: ['${HUB_TOKEN}'],
      }),
    passwordFile: z
      .string()
      .min(1)
      .optional()
      .meta({ description: 'A file that holds it.', examples: ['/run/secrets/hub'] }),
  })
  .refine(
    ({ password, passwordFile }) => (password === undefined) !== (passwordFile === undefined),
    'either password or passwordFile',
  );

/** Between clients and replication. */
const SHARING = {
  bandwidth: Rate.refine(isRate, NO_RATE)
    .prefault('unlimited')
    .meta({
      description:
        'How fast blobs may go from there and to there, all together. While clients wait for what they pull from there, replication uses at most three quarters of it.',
      examples: ['20MB/s'],
    }),
  reservedPulls: z
    .int()
    .nonnegative()
    .default(0)
    .meta({
      description:
        'Pulls that are left to clients: while no more are left, as the registry says (`ratelimit-remaining`, Docker Hub), what replication pulls there waits, and looks again every five minutes.',
      examples: [20],
    }),
};

interface EndpointFields<Options> {
  readonly url: URL;
  readonly options: Options;
  readonly credential?:
    | { readonly username: string; readonly password?: string | undefined }
    | undefined;
  readonly allowPrivateAddress: boolean;
  readonly reservedPulls: number;
}

interface Place {
  readonly name: string;
  /** What `caFile` holds. */
  readonly ca?: string | undefined;
}

function endpointOf<Options>(
  { url, options, credential, allowPrivateAddress, reservedPulls }: EndpointFields<Options>,
  { name, ca }: Place,
): Endpoint<Options> {
  if (credential !== undefined && credential.password === undefined) {
    throw new Error(`the passwordFile of endpoint ${name} was not read`);
  }
  const { username, password } = credential ?? {};
  const isKnown = username !== undefined && password !== undefined;
  return {
    name,
    url,
    options,
    credential: isKnown ? { username, password } : undefined,
    ca,
    allowPrivateAddress,
    reservedPulls,
  };
}

function urlSchema(defaultUrl: string | undefined) {
  const url = z
    .url({ protocol: /^https?$/, error: 'a URL such as https://registry.example' })
    .refine(isPlain, 'a URL without user name, query and fragment')
    .meta({
      description: 'Without `/v2`. With `http:`, nothing is encrypted.',
      examples: ['https://registry.example'],
    });
  // A default of undefined would make the key optional.
  return defaultUrl === undefined ? url : url.default(defaultUrl);
}

function isPlain(url: string): boolean {
  if (!URL.canParse(url)) return true; // Which is another issue's to say.
  const { username, password, search, hash } = new URL(url);
  return username + password + search + hash === '';
}

function baseOf(url: string): URL {
  const base = new URL(url);
  if (!base.pathname.endsWith('/')) base.pathname += '/';
  return base;
}

function same<T>(value: T): T {
  return value;
}
