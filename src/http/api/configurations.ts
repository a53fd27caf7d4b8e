import { z } from 'zod';
import { ManagementError } from '../../oci/management-error.ts';
import { FIXED, SCAN_ALL_POLICY } from './fixed-configuration.ts';
import { type Actor, type ApiRoute, DONE, route } from './route.ts';

/** What these routes need of the node. */
export interface Settings {
  readonly current: () => Promise<{
    readonly projectCreation: 'adminonly' | 'everyone';
    /** -1: for ever. */
    readonly robotDurationDays: number;
    readonly tokenMinutes: number;
    /** Bytes; -1: any number. */
    readonly storagePerProject: number;
    readonly readOnly: boolean;
    /** What the audit log tells nothing of, divided by commas. */
    readonly disabledAuditEvents: string;
  }>;
  /** @throws ManagementError BAD_REQUEST */
  change(settings: Readonly<Record<string, unknown>>, actor: Actor): Promise<void>;
}

/** Our names by Harbor's, of the keys that act. */
const SETTINGS = {
  project_creation_restriction: 'projectCreation',
  robot_token_duration: 'robotDurationDays',
  token_expiration: 'tokenMinutes',
  storage_per_project: 'storagePerProject',
  read_only: 'readOnly',
  disabled_audit_log_event_types: 'disabledAuditEvents',
} as const;

/** By Harbor's names: those that act, and those that may only be read. */
export const CONFIGURATION_KEYS = {
  acting: Object.keys(SETTINGS),
  fixed: Object.keys(FIXED),
} as const;

/** What the node is told by the API and not by its configuration file. */
export function configurationRoutes(settings: Settings): readonly ApiRoute[] {
  return [getConfigurations(settings), updateConfigurations(settings)];
}

const getConfigurations = (settings: Settings): ApiRoute =>
  route({
    operation: 'getConfigurations',
    method: 'GET',
    path: '/configurations',
    permission: { system: 'configuration:read' },
    answers: [200, 401, 403],
    async handle() {
      const current = await settings.current();
      const acting = Object.entries(SETTINGS).map(([name, ours]) => [
        name,
        { value: current[ours], editable: true },
      ]);
      const fixed = Object.entries(FIXED).map(([name, value]) => [
        name,
        { value, editable: false },
      ]);
      return { json: { ...Object.fromEntries([...acting, ...fixed]), ...SCAN_ALL_POLICY } };
    },
  });

const updateConfigurations = (settings: Settings): ApiRoute =>
  route({
    operation: 'updateConfigurations',
    method: 'PUT',
    path: '/configurations',
    permission: { system: 'configuration:update' },
    answers: [200, 400, 401, 403, 422],
    async handle({ json, actor }) {
      const asked = Object.entries(await json(z.record(z.string(), z.unknown())));
      const names = new Map<string, string>(Object.entries(SETTINGS));
      const changed: [name: string, value: unknown][] = [];
      for (const [name, value] of asked) {
        const ours = names.get(name);
        if (ours === undefined) requireAsItIs(name, value);
        else changed.push([ours, value]);
      }
      await settings.change(Object.fromEntries(changed), actor);
      return DONE;
    },
  });

/** Clients that send back all that they read change nothing by it. @throws ManagementError BAD_REQUEST */
function requireAsItIs(name: string, value: unknown): void {
  if (!Object.hasOwn(FIXED, name)) {
    throw new ManagementError('BAD_REQUEST', `${name}: nothing here obeys it`);
  }
  if (FIXED[name] === value) return;
  const fixed = JSON.stringify(FIXED[name]);
  throw new ManagementError('BAD_REQUEST', `${name}: it is ${fixed} here, and nothing changes it`);
}
