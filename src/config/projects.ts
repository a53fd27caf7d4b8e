import { z } from 'zod';
import { PullThroughSettings } from '../../policies/pull-through.ts';
import { HostName } from './fields.ts';

// distribution-spec v1.1.1 "Pulling manifests": a project is the first component of a repository's name.
const COMPONENT = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;

export const ProjectName = z
  .string()
  .max(255)
  .regex(
    COMPONENT,
    'lower-case letters and digits, with single dots, dashes or underscores between',
  );

const Proxy = z.strictObject({
  endpoints: z
    .array(z.string())
    .min(1)
    .meta({
      description:
        'Names of `endpoints` that mirror one namespace, in the order in which they are asked.',
      examples: [['hub']],
    }),
  upstreamHost: HostName.optional().meta({
    description:
      'The host that clients name with `?ns=`, if it is not what the project is called. It never changes once the project exists.',
    examples: ['docker.io'],
  }),
  default: z.boolean().default(false).meta({
    description: 'Answers pulls of names that no project has. One project at most.',
  }),
  ...PullThroughSettings.shape,
});

export const ProjectConfig = z
  .strictObject({
    public: z.boolean().default(false).meta({ description: 'Whether everybody may pull.' }),
    references: z
      .enum(['strict', 'sparse'])
      .optional()
      .meta({
        description:
          'Whether what a pushed manifest refers to must be here already (`strict`, the default), or may be missing (`sparse`). Proxy projects are sparse.',
        examples: ['sparse'],
      }),
    proxy: Proxy.optional().meta({
      description: 'Makes it a proxy project, which pulls through from an upstream.',
    }),
  })
  .refine(
    ({ references, proxy }) => references === undefined || proxy === undefined,
    'has references and proxy; allowed: one of them',
  );
export type ProjectConfig = z.output<typeof ProjectConfig>;
