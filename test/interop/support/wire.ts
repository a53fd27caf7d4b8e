import { createHash } from 'node:crypto';
import got from 'got';
import { z } from 'zod';
import { PATIENCE_MS } from './processes.ts';
import type { Registry } from './registries.ts';

/** What clients accept: everything that is a manifest. */
const MANIFESTS = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v2+json',
].join(', ');

/** `name:password` as a Basic credential. */
export const basic = (credentials: string): string => `Basic ${btoa(credentials)}`;

async function get(url: string, credentials: string | undefined): Promise<Buffer> {
  const { body } = await got(url, {
    headers: {
      accept: MANIFESTS,
      ...(credentials === undefined ? {} : { authorization: basic(credentials) }),
    },
    responseType: 'buffer',
    retry: { limit: 0 },
    timeout: { request: PATIENCE_MS },
  });
  return Buffer.from(body);
}

/** The digest of the manifest's bytes as a registry serves them, whatever its headers claim. */
export async function digestAt(
  url: string,
  repository: string,
  reference: string,
  credentials?: string,
): Promise<string> {
  const bytes = await get(`${url}/v2/${repository}/manifests/${reference}`, credentials);
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

const TagList = z.object({ tags: z.array(z.string()) });

/** The repository's tags, as the registry lists them. */
export async function tagsAt(
  url: string,
  repository: string,
  credentials?: string,
): Promise<readonly string[]> {
  const bytes = await get(`${url}/v2/${repository}/tags/list`, credentials);
  return TagList.parse(JSON.parse(bytes.toString('utf8'))).tags;
}

/** Paths of the blobs and manifests that a stock registry has handed out, by its access log (Apache's combined format). */
export function downloadsFrom(registry: Registry): readonly string[] {
  const answered = /"GET (\/v2\/\S+\/(?:blobs|manifests)\/\S+) HTTP\/1\.1" 20[06] /g;
  return Array.from(registry.log().matchAll(answered), ([, path]) => path ?? '');
}
