import Koa from 'koa';
import { requestFailed } from '../telemetry/channels.ts';
import { type ApiPorts, apiRoutes, ownApiRoutes } from './api/api.ts';
import { apiDoor } from './api/door.ts';
import { versionRoutes } from './api/system.ts';
import { type ChallengeOptions, createChallenge } from './challenge.ts';
import type { Middleware, Routes, State } from './context.ts';
import { devcenterRoutes } from './devcenter/devcenter.ts';
import { type KeySet, keySetRoutes } from './key-set.ts';
import { authentication } from './middleware/authentication.ts';
import { ociErrors } from './middleware/oci-errors.ts';
import { requestFacts } from './middleware/request-facts.ts';
import { requestId } from './middleware/request-id.ts';
import { requestPath } from './middleware/request-path.ts';
import { unknownRoute } from './middleware/unknown-route.ts';
import { type Operations, operationRoutes } from './operations.ts';
import { createOrigins, type OriginOptions } from './origin.ts';
import { pathIn } from './path-in.ts';
import { type Sessions, sessionRoutes } from './sessions.ts';
import { createGate } from './target.ts';
import { type TokenOptions, type TokenPorts, tokenRoutes } from './token.ts';
import { baseRoutes } from './v2/base.ts';
import { type BlobOptions, type Blobs, blobRoutes } from './v2/blobs.ts';
import { type Catalog, catalogRoutes } from './v2/catalog.ts';
import { type ManifestOptions, type Manifests, manifestRoutes } from './v2/manifests.ts';
import { type Referrers, referrerRoutes } from './v2/referrers.ts';
import { type Tags, tagRoutes } from './v2/tags.ts';
import { type UploadOptions, type Uploads, uploadRoutes } from './v2/uploads.ts';

/** What the HTTP side needs of the node. */
export interface Ports extends TokenPorts {
  readonly keys: KeySet;
  readonly sessions: Sessions;
  readonly manifests: Manifests;
  readonly blobs: Blobs;
  readonly uploads: Uploads;
  readonly tags: Tags;
  readonly referrers: Referrers;
  readonly catalog: Catalog;
  readonly operations: Operations;
  readonly api: ApiPorts;
}

export interface AppOptions
  extends ChallengeOptions,
    TokenOptions,
    OriginOptions,
    BlobOptions,
    ManifestOptions,
    UploadOptions {}

/** The application of one listener. */
export function createApp(ports: Ports, options: AppOptions): Koa<State, object> {
  const app = new Koa<State, object>();
  for (const middleware of middlewareOf(ports, options)) app.use(middleware);
  // What reaches koa itself is a broken connection, which its request has told already, or a fault of ours.
  app.on(
    'error',
    (error: Error & { headerSent?: boolean }, ctx: Koa.ParameterizedContext<State>) => {
      if (error.headerSent === true || !requestFailed.hasSubscribers) return;
      requestFailed.publish({ id: ctx.state.id, method: ctx.method, path: pathIn(ctx.req), error });
    },
  );
  return app;
}

/** In the order in which a request meets them. */
function middlewareOf(ports: Ports, options: AppOptions): readonly Middleware[] {
  return [
    requestId(),
    requestFacts(createOrigins(options)),
    ociErrors(createChallenge(options)),
    apiDoor(options),
    requestPath(),
    operationRoutes(ports.operations).routes(),
    keySetRoutes(ports.keys).routes(),
    authentication(ports.access, ports.sessions),
    ...routesOf(ports, options).map((routes): Middleware => routes.routes()),
    unknownRoute(),
  ];
}

/** The most frequent first: each one looks at every request that those before it left. */
function routesOf(ports: Ports, options: AppOptions): readonly Routes[] {
  const { names } = ports;
  const gate = createGate(names);
  return [
    manifestRoutes(ports.manifests, gate, options),
    blobRoutes(ports.blobs, gate, options),
    uploadRoutes(ports.uploads, gate, { ...options, names }),
    tagRoutes(ports.tags, gate),
    referrerRoutes(ports.referrers, gate),
    catalogRoutes(ports.catalog),
    tokenRoutes(ports, options),
    baseRoutes(),
    versionRoutes(),
    sessionRoutes(ports.sessions, options),
    apiRoutes(ports.api),
    ownApiRoutes(ports.api),
    devcenterRoutes(),
  ];
}
