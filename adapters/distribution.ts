/** Any registry that follows distribution-spec v1.1.1 and asks for nothing more: distribution, zot, GHCR for pulls, Quay, … */
import { z } from 'zod';
import { defineAdapter } from '../src/registry/adapter.ts';
import { distributionPeer } from '../src/registry/distribution-peer.ts';
import { PLAIN } from '../src/registry/vendor.ts';

export const distribution = defineAdapter({
  name: 'distribution',
  title: 'Distribution',
  description:
    'Any registry that follows the OCI distribution specification: distribution, zot, Nexus and most others. Lists repositories where it has distribution’s catalogue.',
  harborType: 'docker-registry',
  credential: { description: 'A user name and its password or token.' },
  capabilities: PLAIN,

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
