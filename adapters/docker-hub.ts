/**
 * Docker Hub. It speaks the plain protocol, and
 *
 * - is one place, whose registry, token service and name in image names are three hosts of `docker.io`;
 * - keeps official images, which people call by one word, under `library/`;
 * - takes a personal access token where others take a password, and only at its token service;
 * - counts manifest GETs, not HEADs, and tells the rest of the budget in `ratelimit-remaining`.
 *
 * Sources: https://docs.docker.com/docker-hub/usage/ and docs/wire-notes.md 4 (2026-07).
 */
import { z } from 'zod';
import { defineAdapter } from '../src/registry/adapter.ts';
import { distributionPeer } from '../src/registry/distribution-peer.ts';
import { PLAIN } from '../src/registry/vendor.ts';

const REGISTRY = 'https://registry-1.docker.io/';
/** By which Harbor and its users call it. */
const WEBSITE = 'hub.docker.com';

export const dockerHub = defineAdapter({
  name: 'docker-hub',
  title: 'Docker Hub',
  description:
    'Docker Hub. Official images are under `library/`; it counts pulls, and this node asks by HEAD first.',
  places: [{ name: 'Docker Hub', url: REGISTRY }],
  credential: { description: 'A user name, and a password or better a personal access token.' },
  capabilities: { ...PLAIN, listRepositories: false },
  nameParts: { least: 2, most: 2 },
  defaultUrl: REGISTRY,
  options: z.strictObject({}).prefault({}).meta({ description: 'It has none.' }),
  canonicalRepository,

  connect(endpoint, client) {
    const tokenHosts = ['auth.docker.io'];
    const url = endpoint.url.host === WEBSITE ? new URL(REGISTRY) : endpoint.url;
    return {
      ...distributionPeer({ ...endpoint, url, tokenHosts, canonicalRepository }, client),
      canonicalRepository,
    };
  },
});

function canonicalRepository(name: string): string {
  return name.includes('/') ? name : `library/${name}`;
}
