/**
 * What the log tells of, as `operation_resource`: what Harbor tells of in its order (v2.13 src/pkg/auditext/model), by which
 * its clients filter, and then what it does not.
 */
export const EVENT_TYPES = [
  'create_artifact',
  'delete_artifact',
  'pull_artifact',
  'create_project',
  'delete_project',
  'delete_repository',
  'login_user',
  'logout_user',
  'create_user',
  'delete_user',
  'update_user',
  'create_robot',
  'delete_robot',
  'update_configuration',
  'create_member',
  'delete_member',
  'update_member',
  'update_project',
  'update_repository',
  'create_tag',
  'delete_tag',
  'create_artifact-label',
  'delete_artifact-label',
  'create_label',
  'update_label',
  'delete_label',
  'create_immutable-tag',
  'update_immutable-tag',
  'delete_immutable-tag',
  'create_registry',
  'update_registry',
  'delete_registry',
  'create_user-group',
  'update_user-group',
  'delete_user-group',
  'update_robot',
  'update_quota',
  'create_replication-policy',
  'update_replication-policy',
  'delete_replication-policy',
  'pause_replication-policy',
  'resume_replication-policy',
  'pause_registry',
  'resume_registry',
  'pause_replication',
  'resume_replication',
  'start_replication',
  'retry_replication',
  'stop_replication',
] as const;
export type EventType = (typeof EVENT_TYPES)[number];

type PartsOf<Type> = Type extends `${infer Operation}_${infer Resource}`
  ? { readonly operation: Operation; readonly resourceType: Resource }
  : never;
/** An event's two parts. */
export type AuditEvent = PartsOf<EventType>;

const known: ReadonlySet<string> = new Set(EVENT_TYPES);

/** As `disabled_audit_log_event_types` has them: divided by commas. */
export function eventTypesIn(text: string): readonly string[] {
  return text.split(',').flatMap((part) => (part.trim() === '' ? [] : [part.trim()]));
}

export function isEventType(text: string): text is EventType {
  return known.has(text);
}
