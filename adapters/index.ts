/** Every vendor this node can talk to. A new one is a new file here plus one word in the list below. */
import { z } from 'zod';
import { distribution } from './distribution.ts';
import { dockerHub } from './docker-hub.ts';

/** One entry of `endpoints:`; parsing it yields something that can `connect`. */
export const EndpointConfig = z.discriminatedUnion('adapter', [
  distribution.endpoint,
  dockerHub.endpoint,
]);
export type EndpointConfig = z.infer<typeof EndpointConfig>;
