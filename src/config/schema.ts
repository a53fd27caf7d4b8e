/**
 * The whole configuration. Types, defaults, error messages, `docs/configuration.md` and `config.example.yaml` all come
 * from here; `npm run docs` rewrites the last two.
 */
import { z } from 'zod';
import { EndpointConfig } from '../../adapters/index.ts';
import { EvictionRule } from '../../policies/eviction.ts';
import { ReplicationPolicy } from '../../policies/replication.ts';
import { isRate, NO_RATE, Rate } from '../../policies/replication-windows.ts';
import { Duration, DurationOrForever, Size } from '../../policies/units.ts';
import { Timeout } from './fields.ts';
import { Listen } from './listen.ts';
import { ProjectConfig, ProjectName } from './projects.ts';
import { SigningKeys } from './signing-keys.ts';

const Admin = z.strictObject({
  password: z
    .string()
    .min(1)
    .optional()
    .meta({
      secret: true,
      description:
        'Of the user `admin`. Better a `passwordFile`, `${NAME}` of the environment, or `PORTOLAN_ADMIN_PASSWORD`. Without any, one is generated and printed once.',
      examples: ['${ADMIN_PASSWORD}'],
    }),
  passwordFile: z
    .string()
    .optional()
    .meta({
      description: 'A file that holds it.',
      examples: ['/run/secrets/admin'],
    }),
});

const MASTER_KEYS = /^\s*[A-Za-z0-9+/]{43}=(?:\s+[A-Za-z0-9+/]{43}=)*\s*$/;

const Secrets = z.strictObject({
  masterKey: z
    .string()
    .regex(MASTER_KEYS, '32 bytes in base64, as `openssl rand -base64 32` makes them')
    .optional()
    .meta({
      secret: true,
      description:
        'Seals signing keys and credentials in the database. Better a `masterKeyFile`, `${NAME}` of the environment, or `PORTOLAN_MASTER_KEY`. Without any, one is generated into `master.key` in the `data` folder, and backups hold it. Several, one a line: the first seals, all of them open; `portolan secrets rotate` seals everything with the first.',
      examples: ['${MASTER_KEY}'],
    }),
  masterKeyFile: z
    .string()
    .optional()
    .meta({
      description: 'A file that holds it. Backups do not.',
      examples: ['/run/secrets/portolan-master-key'],
    }),
});

const SHORTEST_ROTATION_MS = 60 * 60_000;

const Tokens = z.strictObject({
  services: z
    .array(z.string().min(1))
    .prefault([])
    .meta({
      description:
        "Other registries that take this node's tokens, by the `service` that they challenge with. They trust the issuer `portolan` and the keys at `/.well-known/jwks.json`; who may do what there is decided by the projects here of the same names.",
      examples: [['registry.example']],
    }),
  keyRotation: DurationOrForever.refine((ms) => ms >= SHORTEST_ROTATION_MS, 'at least 1h')
    .prefault('90d')
    .meta({
      description:
        'How long a key signs before another follows, which is published a day before it signs. `portolan keys rotate` does it at once.',
    }),
  signingKey: SigningKeys.optional().meta({
    secret: true,
    description:
      'Signs tokens instead of keys that the node makes, keeps sealed in the database and rotates: a private key in PEM on the curve P-256, better in a `signingKeyFile`. Several, one after another: the first signs, all of them verify.',
    examples: ['${SIGNING_KEY}'],
  }),
  signingKeyFile: z
    .string()
    .optional()
    .meta({
      description: 'A file that holds it.',
      examples: ['/run/secrets/portolan-signing-key.pem'],
    }),
  refreshExpiry: Duration.prefault('90d').meta({
    description:
      'How long a `docker login` lasts after its last use. It ends with the password, too, and with its user.',
  }),
});

const Storage = z.strictObject({
  eviction: EvictionRule.prefault({}).meta({
    description: 'When cached content goes. What was pushed here is never evicted.',
  }),
  grace: Timeout.prefault('1h').meta({
    description:
      'Blobs that are in no repository stay on disk this long, for transfers that are under way, and as long as a backup runs; less where room is needed.',
  }),
  accelRedirect: z
    .string()
    .regex(/^\/[A-Za-z0-9._~/-]*$/, 'a path such as /internal-blobs/')
    .optional()
    .meta({
      description:
        'Answer blobs with `X-Accel-Redirect` below this location, for an nginx in front that reads the `data` folder and sends them. ' +
        'nginx drops most headers of such an answer, so its location has `internal`, an `alias` to the `data` folder, `etag off`, ' +
        '`add_header Docker-Content-Digest $upstream_http_docker_content_digest` and `add_header ETag $upstream_http_etag`.',
      examples: ['/internal-blobs/'],
    }),
});

const Fills = z.strictObject({
  silence: Timeout.prefault('30s').meta({
    description:
      'An upstream that sends nothing for this long in the middle of a blob is given up.',
  }),
  deadline: Timeout.prefault('1h').meta({
    description:
      'How long a blob goes on arriving, or its beginning is kept, after its last reader left.',
  }),
});

const Replication = z.strictObject({
  bandwidth: Rate.refine(isRate, NO_RATE)
    .prefault('unlimited')
    .meta({
      description:
        'How fast the blobs of all policies may go together. While clients wait for what they pull through this node, replication uses at most three quarters of it; they are not held to it.',
      examples: ['50MB/s'],
    }),
});

const AuditLog = z.strictObject({
  retention: DurationOrForever.prefault('90d').meta({
    description: 'How long the audit log keeps what people did; older rows go each hour.',
  }),
});

const Jobs = z.strictObject({
  keepExecutions: z.int().min(1).default(100).meta({
    description:
      'Executions that are over, of each policy: so many of the newest are kept, with their tasks and logs.',
  }),
  keepFor: DurationOrForever.prefault('30d').meta({
    description: 'How long they are kept at most. The last of a policy stays.',
  }),
  giveUpAfter: DurationOrForever.prefault('24h').meta({
    description:
      'How long a registry may answer nothing, or 503, before the tasks that wait for it fail. Until then their tries cost nothing.',
  }),
});

const SHORTEST_EXPIRY_MS = 60_000;

const Limits = z.strictObject({
  manifestSize: Size.prefault('4MiB').meta({ description: 'The largest manifest to accept.' }),
  privateEndpoints: z.boolean().default(false).meta({
    description:
      'Whether endpoints that are made by the API may be in a private network or on this machine.',
  }),
  uploads: z
    .int()
    .min(1)
    .default(256)
    .meta({ description: 'Uploads whose bytes may be arriving at one time.' }),
  uploadExpiry: Duration.refine(
    (milliseconds) => milliseconds >= SHORTEST_EXPIRY_MS,
    'at least 1m, since pushes bring their blobs before their manifest',
  )
    .prefault('7d')
    .meta({
      description:
        'An unfinished upload that nobody went on with for this long is dropped. So is a pushed blob that no manifest of its repository refers to, and that nobody asked for; those are looked for each hour.',
    }),
});

const Telemetry = z.strictObject({
  level: z.enum(['debug', 'info', 'warn', 'error']).default('info').meta({
    description: 'The least important log lines to write.',
  }),
  format: z.enum(['auto', 'json', 'pretty']).default('auto').meta({
    description: '`auto` is pretty on a terminal and JSON lines elsewhere.',
  }),
  accessLog: z.boolean().default(true).meta({ description: 'Log a line for each request.' }),
});

const EXAMPLE_ENDPOINTS = {
  hub: {
    adapter: 'docker-hub',
    credential: { username: 'me', passwordFile: '/run/secrets/hub' },
  },
  lab: { adapter: 'distribution', url: 'http://10.0.0.7:5000', allowPrivateAddress: true },
};
const EXAMPLE_PROJECTS = {
  team: { public: false },
  'docker.io': {
    public: true,
    proxy: {
      endpoints: ['hub'],
      default: true,
      repositories: { include: ['library/**'] },
      freshness: [
        { tags: 'latest', ttl: '1m', staleIfError: '7d' },
        { tags: '*.*.*', ttl: '1d', staleIfError: 'forever' },
      ],
    },
  },
};
const EXAMPLE_REPLICATION = {
  nightly: {
    source: 'hub',
    destinations: [{ endpoint: 'local', namespace: 'team' }],
    repositories: ['library/*'],
    tags: { semver: '>=1.0' },
    trigger: { cron: '0 2 * * *', timeZone: 'Europe/Berlin' },
  },
};

export const ConfigSchema = z.strictObject({
  listen: Listen.prefault({}),
  data: z.string().min(1).default('./data').meta({
    description:
      'The folder of the database and the blobs, on one local filesystem. `PORTOLAN_DATA` and `--data` win over it.',
  }),
  seed: z.boolean().default(true).meta({
    description:
      'Whether an empty database gets the project `local` and a public proxy project for each well-known registry.',
  }),
  admin: Admin.prefault({}),
  secrets: Secrets.prefault({}).meta({ description: 'Secrets at rest.' }),
  tokens: Tokens.prefault({}).meta({ description: 'What clients sign in with.' }),
  endpoints: z
    .record(z.string(), EndpointConfig)
    .prefault({})
    .meta({
      description:
        'Remote registries by name. The well-known ones are there under their host names; an entry of that name replaces one.',
      examples: [EXAMPLE_ENDPOINTS],
    }),
  projects: z
    .record(ProjectName, ProjectConfig)
    .prefault({})
    .meta({
      description:
        'Projects by name, which is the first part of the names of their repositories. They are created or updated at start.',
      examples: [EXAMPLE_PROJECTS],
    }),
  policies: z
    .strictObject({
      replication: z
        .record(z.string().min(1).max(256), ReplicationPolicy)
        .prefault({})
        .meta({
          description:
            'What is copied between registries, by names of your own. The API shows these and does not change them.',
          examples: [EXAMPLE_REPLICATION],
        }),
    })
    .prefault({})
    .meta({ description: 'What this node does by itself.' }),
  replication: Replication.prefault({}).meta({
    description: 'What all replication policies have in common.',
  }),
  storage: Storage.prefault({}),
  fills: Fills.prefault({}).meta({ description: 'Blobs on their way from an upstream.' }),
  jobs: Jobs.prefault({}).meta({ description: 'What is done in the background: replication.' }),
  limits: Limits.prefault({}),
  audit: AuditLog.prefault({}),
  telemetry: Telemetry.prefault({}),
});
