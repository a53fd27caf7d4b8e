/** What a registry holds, as anybody can see it: every byte fetched, and hashed. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import got from 'got';
import { z } from 'zod';
import { PATIENCE_MS } from './processes.ts';
import { basic, digestAt, tagsAt } from './wire.ts';

export interface Place {
  readonly url: string;
  readonly repository: string;
  /** `name:password`. */
  readonly login: string | undefined;
}

const Described = z.looseObject({ digest: z.string() });
const ManifestJson = z.looseObject({
  config: Described.optional(),
  layers: z.array(Described).optional(),
  manifests: z.array(Described).optional(),
});
const ACCEPT = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v2+json',
].join(', ');

/** By tag, the digest of what is behind it. */
export async function tagsHeld(place: Place): Promise<ReadonlyMap<string, string>> {
  const { url, repository, login } = place;
  const tags = await tagsAt(url, repository, login);
  const held = tags.map(async (tag): Promise<[string, string]> => {
    return [tag, await digestAt(url, repository, tag, login)];
  });
  return new Map(await Promise.all(held));
}

export interface Held {
  readonly manifests: ReadonlySet<string>;
  readonly blobs: ReadonlySet<string>;
  /** By subject, only where there are some. */
  readonly referrers: ReadonlyMap<string, readonly string[]>;
}

/** Everything that the digests reach, what refers to it included. Rejects when a byte of it is missing or another one. */
export async function closureHeld(place: Place, roots: Iterable<string>): Promise<Held> {
  const held = {
    manifests: new Set<string>(),
    blobs: new Set<string>(),
    referrers: new Map<string, string[]>(),
  };
  const left = [...roots];
  for (let digest = left.pop(); digest !== undefined; digest = left.pop()) {
    if (held.manifests.has(digest)) continue;
    held.manifests.add(digest);
    const bytes = await fetched(place, `manifests/${digest}`, digest);
    const { config, layers = [], manifests = [] } = ManifestJson.parse(JSON.parse(String(bytes)));
    left.push(...manifests.map((child) => child.digest));
    for (const blob of config === undefined ? layers : [config, ...layers]) {
      if (held.blobs.has(blob.digest)) continue;
      held.blobs.add(blob.digest);
      await fetched(place, `blobs/${blob.digest}`, blob.digest);
    }
    const referring = await referrersHeld(place, digest);
    if (referring.length > 0) held.referrers.set(digest, referring.toSorted());
    left.push(...referring);
  }
  return held;
}

/** By the API, else by the tag that clients keep where there is none. */
async function referrersHeld(place: Place, subject: string): Promise<string[]> {
  const api = await asked(place, `referrers/${subject}`);
  const tag = `manifests/${subject.replace(':', '-')}`;
  const { statusCode, rawBody } = api.statusCode === 404 ? await asked(place, tag) : api;
  if (statusCode === 404) return [];
  assert.equal(statusCode, 200, `referrers of ${subject} at ${place.url}`);
  const { manifests = [] } = ManifestJson.parse(JSON.parse(Buffer.from(rawBody).toString()));
  return manifests.map(({ digest }) => digest);
}

async function fetched(place: Place, path: string, digest: string): Promise<Buffer> {
  const { statusCode, rawBody } = await asked(place, path);
  assert.equal(statusCode, 200, `${path} of ${place.repository} at ${place.url}`);
  const bytes = Buffer.from(rawBody);
  assert.equal(`sha256:${createHash('sha256').update(bytes).digest('hex')}`, digest);
  return bytes;
}

function asked({ url, repository, login }: Place, path: string) {
  const authorization = login === undefined ? {} : { authorization: basic(login) };
  return got(`${url}/v2/${repository}/${path}`, {
    headers: { accept: ACCEPT, ...authorization },
    responseType: 'buffer',
    retry: { limit: 0 },
    throwHttpErrors: false,
    timeout: { request: PATIENCE_MS },
  });
}
