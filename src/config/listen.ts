import { z } from 'zod';
import { AddressRange, HostName, ListenAddress, Timeout } from './fields.ts';

/** A host name or an address of its own that stands in for one upstream. */
const Mirror = z
  .strictObject({
    host: HostName.optional().meta({
      description: 'Requests with this `Host` are for the upstream.',
      examples: ['hub.eu.example'],
    }),
    address: ListenAddress.optional().meta({
      description: 'Requests that come in here are for the upstream.',
      examples: ['0.0.0.0:5001'],
    }),
    upstream: HostName.meta({
      description: 'The `upstreamHost` of a public proxy project.',
      examples: ['docker.io'],
    }),
  })
  .refine(
    ({ host, address }) => (host === undefined) !== (address === undefined),
    'needs host or address, and not both',
  );

const Tls = z.strictObject({
  certFile: z.string().meta({
    description: 'The certificate and its chain, PEM.',
    examples: ['/etc/portolan/tls.crt'],
  }),
  keyFile: z
    .string()
    .meta({ description: 'The private key, PEM.', examples: ['/etc/portolan/tls.key'] }),
});

export const Listen = z.strictObject({
  address: ListenAddress.prefault('0.0.0.0:5000').meta({
    description: 'Where to serve registry clients. `PORTOLAN_LISTEN` and `--listen` win over it.',
  }),
  externalUrl: z
    .url({ protocol: /^https?$/, error: 'a URL such as https://registry.example' })
    .optional()
    .meta({
      description: 'How clients reach this node, where that is not the address they use.',
      examples: ['https://eu.registry.example'],
    }),
  names: z
    .array(HostName)
    .prefault([])
    .meta({
      description: 'Further names of this node; a `?ns=` with one of them means no upstream.',
      examples: [['registry.internal:5000']],
    }),
  mirrors: z
    .array(Mirror)
    .prefault([])
    .meta({
      description:
        'Names and addresses that answer as one upstream would: for the `registry-mirrors` of dockerd, which can name no upstream. Pulls only, no login, public projects only.',
      examples: [
        [
          { address: '0.0.0.0:5001', upstream: 'docker.io' },
          { host: 'hub.eu.example', upstream: 'docker.io' },
        ],
      ],
    }),
  tls: Tls.optional().meta({ description: 'Serve HTTPS instead of HTTP, on every address.' }),
  trustedProxies: z
    .array(AddressRange)
    .prefault([])
    .meta({
      description: 'Reverse proxies whose `X-Forwarded-*` headers are believed.',
      examples: [['10.0.0.0/8']],
    }),
  headerTimeout: Timeout.prefault('10s').meta({
    description:
      'How long a client may take for its TLS handshake, and to send the head of a request.',
  }),
  idleTimeout: Timeout.prefault('60s').meta({
    description:
      'How long a client may stop in the middle of sending a body or of taking an answer. Between two requests a connection is kept for 95s, and a client that waits for this node is waited for.',
  }),
  shutdownDeadline: Timeout.prefault('30s').meta({
    description: 'How long running requests may go on once the node was told to stop.',
  }),
});
