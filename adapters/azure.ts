/**
 * Azure Container Registry. The protocol is plain, deletes and referrers included, and
 *
 * - one logs in as the registry's admin, as a service principal or with a token of the registry, like anywhere; or as what the
 *   machine is allowed to be, whose Entra token the registry takes for a refresh token, which then is the password of the
 *   user of zeros;
 * - `tags/list` needs another permission than a pull, `metadata_read`;
 * - an API beside the protocol lists tags with what they point to, and takes a tag away; `DELETE` of a manifest by its tag
 *   would take the manifest.
 *
 * Sources: https://learn.microsoft.com/azure/container-registry/container-registry-authentication,
 * https://github.com/Azure/acr/blob/main/docs/AAD-OAuth.md, https://learn.microsoft.com/rest/api/containerregistry/ (2021-07-01).
 */
import { z } from 'zod';
import { isDigest } from '../src/oci/digest.ts';
import { OciError } from '../src/oci/error.ts';
import { isTag } from '../src/oci/reference.ts';
import { defineAdapter } from '../src/registry/adapter.ts';
import { distributionPeer } from '../src/registry/distribution-peer.ts';
import type { Credential, Endpoint } from '../src/registry/endpoint.ts';
import { MOST_ERROR_BYTES } from '../src/registry/error-answer.ts';
import { UpstreamDenied, UpstreamInvalid } from '../src/registry/errors.ts';
import { jsonIn } from '../src/registry/json.ts';
import { expiryOf } from '../src/registry/jwt.ts';
import { pagesOf } from '../src/registry/pages.ts';
import type { CallOptions, TagFacts } from '../src/registry/peer.ts';
import type { RegistryClient } from '../src/registry/registry-client.ts';
import { type Dated, type Renewable, renewable } from '../src/registry/renewable.ts';
import {
  type RepositoryCalls,
  refusal,
  repositoryCalls,
  writeRefusal,
} from '../src/registry/repository-calls.ts';
import { PLAIN } from '../src/registry/vendor.ts';
import { VendorApi } from '../src/registry/vendor-api.ts';

/** What an Entra token for registries is for. */
const SCOPE = 'https://containerregistry.azure.net/.default';
/** Who brings a refresh token instead of a password. */
const ZEROS = '00000000-0000-0000-0000-000000000000';
/** What a refresh token is taken to be good for that does not say; they live some three hours. */
const REFRESH_MS = 60 * 60_000;
/** The most that its API gives. */
const PAGE_SIZE = 1000;
const LISTING = 'pull,metadata_read';

const Tags = z.object({
  tags: z
    .array(
      z.object({ name: z.string(), digest: z.string(), lastUpdateTime: z.string().optional() }),
    )
    .nullish(),
});
const Exchange = z.object({ refresh_token: z.string() });

const Options = z.strictObject({
  asMachine: z.boolean().default(false).meta({
    description: 'Without a credential: be what the machine is allowed to be, not nobody.',
  }),
  clientId: z.string().min(1).optional().meta({
    description: 'Which of the machine’s identities, with `asMachine`, where it has several.',
  }),
});
type Options = z.infer<typeof Options>;

export const azure = defineAdapter({
  name: 'azure-acr',
  title: 'Azure Container Registry',
  description:
    'Azure Container Registry, with a user and a password, a service principal, a token of the registry, or the machine’s own identity.',
  credential: {
    description:
      'The registry’s admin, a service principal (application id and secret), or a token and its password.',
  },
  capabilities: { ...PLAIN, listTagDigests: true },
  options: Options.prefault({}).meta({ description: 'Of Azure Container Registry.' }),

  connect(endpoint, client) {
    const { options } = endpoint;
    const credential = options.asMachine ? machine(endpoint, client) : endpoint.credential;
    const access = { ...endpoint, credential };
    const at = repositoryCalls(access, client);
    return {
      ...distributionPeer({ ...access, listing: LISTING }, client),
      tagDigests: (repository, asking) => tagDigests(at, endpoint.url, { repository, ...asking }),
      deleteTag: (repository, tag, asking) =>
        deleteTag(at, endpoint.url, { repository, tag, ...asking }),
    };
  },
});

async function* tagDigests(
  at: RepositoryCalls,
  base: URL,
  { repository, ...options }: CallOptions & { readonly repository: string },
): AsyncGenerator<TagFacts> {
  const url = new URL(`acr/v1/${at.nameOf(repository)}/_tags?n=${PAGE_SIZE}`, base);
  const call = at.at(repository, url, { ...options, actions: LISTING });
  for await (const { status, bytes } of pagesOf(at.calls, call)) {
    if (status !== 200) throw refusal(call, status, 'NAME_UNKNOWN');
    const page = Tags.safeParse(jsonIn(bytes, at.host));
    if (!page.success) throw new UpstreamInvalid(at.host, 'a list of tags that is none');
    for (const { name, digest, lastUpdateTime } of page.data.tags ?? []) {
      const pushedAt = Date.parse(lastUpdateTime ?? '');
      if (!isTag(name) || !isDigest(digest)) continue;
      yield { name, digest, pushedAt: Number.isNaN(pushedAt) ? undefined : pushedAt };
    }
  }
}

async function deleteTag(
  at: RepositoryCalls,
  base: URL,
  {
    repository,
    tag,
    ...options
  }: CallOptions & { readonly repository: string; readonly tag: string },
): Promise<void> {
  if (!isTag(tag)) throw new OciError('TAG_INVALID', { detail: tag });
  const url = new URL(`acr/v1/${at.nameOf(repository)}/_tags/${tag}`, base);
  const call = at.at(repository, url, { ...options, method: 'DELETE', actions: 'delete' });
  const answer = await at.calls.read(call, MOST_ERROR_BYTES);
  if (answer.status !== 202 && answer.status !== 200) {
    throw writeRefusal(call, answer, 'MANIFEST_UNKNOWN');
  }
}

/** Who the machine is allowed to be, as Azure's library finds out: by the environment, a workload's identity, or the machine's. */
function machine(
  { credential: _none, options, ...access }: Endpoint<Options>,
  client: RegistryClient,
): Renewable<Credential> {
  const api = new VendorApi(client, { ...access, authorization: undefined });
  return renewable(async (asking): Promise<Dated<Credential>> => {
    const form = {
      grant_type: 'access_token',
      service: access.url.host,
      access_token: await entraToken(access.url.host, options, asking),
    };
    const answer = await api.ask({ ...asking, method: 'POST', path: 'oauth2/exchange', form });
    if (answer.status !== 200) throw answer.refusal('UNSUPPORTED');
    const { refresh_token: password } = answer.body(Exchange);
    const expiresAt = expiryOf(password) ?? client.now() + REFRESH_MS;
    return { secret: { username: ZEROS, password }, expiresAt };
  }, client.now);
}

async function entraToken(
  host: string,
  { clientId }: Options,
  { signal }: CallOptions,
): Promise<string> {
  const { DefaultAzureCredential } = await import('@azure/identity');
  // A new one each time: it would give the same token again, whoever refused it.
  const identity = new DefaultAzureCredential(
    clientId === undefined ? {} : { managedIdentityClientId: clientId },
  );
  try {
    return (await identity.getToken(SCOPE, { abortSignal: signal })).token;
  } catch (error) {
    signal.throwIfAborted();
    // Its own error holds what was tried, at length.
    const name = error instanceof Error ? error.name : 'no token';
    throw new UpstreamDenied(host, 401, { cause: new Error(name) });
  }
}
