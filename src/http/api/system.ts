import { Router } from '@koa/router';
import { ManagementError } from '../../oci/management-error.ts';
import type { Routes, State } from '../context.ts';
import type { Settings } from './configurations.ts';
import { timeJson } from './json.ts';
import { type ApiRoute, route } from './route.ts';

/** What these routes need of the node. */
export interface System {
  /** Of this program. */
  readonly version: string;
  /** How clients reach this node, where that is not the address they use. */
  readonly externalUrl: string | undefined;
  readonly readiness: () => Promise<{
    /** By check: `ok`, or why not. */
    readonly checks: Readonly<Record<string, string>>;
  }>;
  /** Milliseconds UTC. */
  readonly now: () => number;
  /** Bytes of the filesystem that the blobs are on. */
  readonly space: () => Promise<{ readonly total: number; readonly free: number }>;
}

/** The Harbor whose API this is: clients look here for what they may ask for. */
const HARBOR_VERSION = 'v2.13.0';

/** Harbor's names of what {@link System.readiness} checks. */
const COMPONENTS: Readonly<Record<string, string>> = { database: 'database', storage: 'registry' };

/** What the node is, and how it is. */
export function systemRoutes(
  system: System,
  settings: Pick<Settings, 'current'>,
): readonly ApiRoute[] {
  return [PING, health(system), systemInfo(system, settings), volumes(system), CERTIFICATE];
}

const PING = route({
  operation: 'getPing',
  method: 'GET',
  path: '/ping',
  permission: 'nobody',
  answers: [200],
  handle: () => ({ text: 'Pong' }),
});

const health = ({ readiness }: System): ApiRoute =>
  route({
    operation: 'getHealth',
    method: 'GET',
    path: '/health',
    permission: 'nobody',
    answers: [200],
    async handle() {
      const { checks } = await readiness();
      const components = [
        { name: 'core', status: 'healthy' },
        ...Object.entries(checks).map(([check, state]) => ({
          name: COMPONENTS[check] ?? check,
          ...(state === 'ok' ? { status: 'healthy' } : { status: 'unhealthy', error: state }),
        })),
      ];
      const isHealthy = components.every(({ status }) => status === 'healthy');
      return { json: { status: isHealthy ? 'healthy' : 'unhealthy', components } };
    },
  });

const systemInfo = (system: System, { current }: Pick<Settings, 'current'>): ApiRoute =>
  route({
    operation: 'getSystemInfo',
    method: 'GET',
    path: '/systeminfo',
    permission: 'visible',
    answers: [200],
    async handle({ caller, origin }) {
      if (caller.isAnonymous) return { json: FOR_ALL };
      const { projectCreation, readOnly } = await current();
      return {
        json: {
          ...FOR_ALL,
          ...forUsers(system, origin),
          project_creation_restriction: projectCreation,
          read_only: readOnly,
        },
      };
    },
  });

const volumes = ({ space }: System): ApiRoute =>
  route({
    operation: 'getVolumes',
    method: 'GET',
    path: '/systeminfo/volumes',
    permission: { system: 'system-volumes:read' },
    answers: [200, 401, 403, 404],
    async handle() {
      const { total, free } = await space();
      return { json: { storage: [{ total, free }] } };
    },
  });

const CERTIFICATE = route({
  operation: 'getCert',
  method: 'GET',
  path: '/systeminfo/getcert',
  permission: 'nobody',
  answers: [200, 404],
  handle() {
    // What signed the certificate of this node is the operator's to hand out.
    throw new ManagementError('NOT_FOUND', 'there is no root certificate to download');
  },
});

/** What a client asks before it knows that there is a `/api/v2.0`. */
export function versionRoutes(): Routes {
  const router: Routes = new Router<State, object>();
  router.get(/^\/api\/version\/?$/, (ctx) => {
    ctx.state.route = 'api';
    ctx.body = { version: 'v2.0' };
  });
  return router;
}

const FOR_ALL = {
  auth_mode: 'db_auth',
  banner_message: '',
  primary_auth_mode: false,
  self_registration: false,
};

function forUsers({ version, externalUrl, now }: System, origin: string): object {
  const url = URL.parse(externalUrl ?? origin);
  return {
    harbor_version: `${HARBOR_VERSION}-portolan.${version}`,
    external_url: url === null ? '' : (externalUrl ?? origin),
    registry_url: url?.host ?? '',
    current_time: timeJson(now()),
    has_ca_root: false,
    notification_enable: true,
    registry_storage_provider_name: 'filesystem',
  };
}
