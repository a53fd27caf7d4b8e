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

export const dockerHub = defineAdapter({
  name: 'docker-hub',
  defaultUrl: 'https://registry-1.docker.io',
  options: z.strictObject({}).prefault({}).meta({ description: 'It has none.' }),
  canonicalRepository,

  connect(endpoint, client) {
    const tokenHosts = ['auth.docker.io'];
    return {
      ...distributionPeer({ ...endpoint, tokenHosts, canonicalRepository }, client),
      canonicalRepository,
    };
  },
});

function canonicalRepository(name: string): string {
  return name.includes('/') ? name : `library/${name}`;
}
