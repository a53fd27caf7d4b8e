/** Any registry that follows distribution-spec v1.1.1 and asks for nothing more: distribution, zot, GHCR for pulls, Quay, … */
import { z } from 'zod';
import { defineAdapter } from '../src/registry/adapter.ts';
import { distributionPeer } from '../src/registry/distribution-peer.ts';

export const distribution = defineAdapter({
  name: 'distribution',

  options: z
    .strictObject({
      tokenHosts: z
        .array(z.string().regex(/^(?:\*\.)?[a-z0-9.-]+$/, 'a host, or *. and a domain'))
        .default([])
        .meta({
          description:
            'Hosts that may be asked for tokens, besides the registry’s own and those of its domain.',
          examples: [['gitlab.com', '*.aliyuncs.com']],
        }),
    })
    .prefault({})
    .meta({ description: 'What this registry does in its own way.' }),

  connect(endpoint, client) {
    return distributionPeer({ ...endpoint, tokenHosts: endpoint.options.tokenHosts }, client);
  },
});
