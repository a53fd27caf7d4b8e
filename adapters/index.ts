/** Every vendor this node can talk to. A new one is a new file here plus one word in the list below. */
import { z } from 'zod';
import type { Vendor } from '../src/registry/vendor.ts';
import { ecr } from './aws/ecr.ts';
import { ecrPublic } from './aws/ecr-public.ts';
import { azure } from './azure.ts';
import { distribution } from './distribution.ts';
import { dockerHub } from './docker-hub.ts';
import { ghcr } from './ghcr.ts';
import { gitlab } from './gitlab.ts';
import { google } from './google.ts';
import { harbor } from './harbor.ts';
import { helm } from './helm/helm.ts';
import { quay } from './quay.ts';

const [first, ...others] = [
  distribution,
  dockerHub,
  harbor,
  ecr,
  ecrPublic,
  google,
  azure,
  ghcr,
  quay,
  gitlab,
  helm,
] as const;

/** What is told of them, by the value of `adapter:`. */
export const VENDORS: readonly Vendor[] = [first, ...others];

/** One entry of `endpoints:`; parsing it yields something that can `connect`. */
export const EndpointConfig = z.discriminatedUnion('adapter', [
  first.endpoint,
  ...others.map(({ endpoint }) => endpoint),
]);
export type EndpointConfig = z.infer<typeof EndpointConfig>;
